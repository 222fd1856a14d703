/*
 * The cells of one screen, as a terminal's memory is organised: rows that scroll by moving pointers,
 * and that know how much of them was ever written, so that empty lines cost nothing. Pure. Positions
 * count from 0; whatever lies outside is ignored.
 */
#ifndef LXE_TERMINAL_GRID_H
#define LXE_TERMINAL_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/outbuf.h"
#include "terminal/pen.h"

#define LXE_CELL_CHARS 4 /* a base and three marks; further marks are dropped */

struct lxe_cell {
	uint32_t ch[LXE_CELL_CHARS]; /* ch[0] = 0: nothing was written there */
	struct lxe_pen pen;
	uint8_t width; /* 1 or 2; 0: the right half of the wide one before it */
};

/* Shows nothing but its background (and lines through it). */
static inline bool lxe_cell_blank(const struct lxe_cell *c)
{
	return c->width == 1 && (c->ch[0] == 0 || c->ch[0] == ' ') && c->ch[1] == 0;
}

struct lxe_row {
	uint16_t used;	/* cells from here on are empty and have the background `fill` */
	bool continues; /* wrapped: the next row is the same line */
	uint32_t fill;
	struct lxe_cell *cells;
};

struct lxe_grid {
	uint16_t rows, cols;
	struct lxe_row **row; /* in the order they are shown */
	struct lxe_row *store;
	struct lxe_cell *cells;
};

struct lxe_rect {
	int top, bottom, left, right; /* bottom and right are outside */
};

int lxe_grid_init(struct lxe_grid *g, uint16_t rows, uint16_t cols);
void lxe_grid_release(struct lxe_grid *g);

/* The cell at a position inside, whether or not it was written. */
struct lxe_cell lxe_grid_cell(const struct lxe_grid *g, int row, int col);

/* Write a character of one or two columns. What it cuts in two becomes blank. */
void lxe_grid_put(struct lxe_grid *g, int row, int col, const struct lxe_cell *cell);

void lxe_grid_erase(struct lxe_grid *g, struct lxe_rect r, uint32_t background);

/* Move the content up and to the left (negative: down, right); what becomes free is erased. */
void lxe_grid_scroll(struct lxe_grid *g, struct lxe_rect r, int up, int left, uint32_t background);

/* Append the text of a row, without trailing blanks unless the next one continues it. */
void lxe_grid_row_text(const struct lxe_grid *g, int row, struct lxe_outbuf *out);

/* How many rows, from the first, hold all that is not blank. */
int lxe_grid_height(const struct lxe_grid *g);

#endif
