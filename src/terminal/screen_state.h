/*
 * The insides of a screen, for the three files of it: screen.c is libvterm's
 * side, screen_feed.c the stream's, screen_put.c the reader's.
 */
#ifndef LXE_TERMINAL_SCREEN_STATE_H
#define LXE_TERMINAL_SCREEN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/grid.h"
#include "terminal/screen.h"

#define LXE_SCREEN_BATCH 4096

struct VTerm;

struct lxe_position {
	int row, col;
};

struct lxe_saved_cursor {
	struct lxe_position pos;
	struct lxe_pen pen;
	uint8_t charset[4], shift;
	bool origin;
};

struct lxe_screen {
	uint16_t rows, cols;
	struct VTerm *vterm;
	struct VTerm *probe; /* asked which characters are combining marks */
	struct lxe_vt parser;
	struct lxe_modes modes;
	struct lxe_grid grid[2]; /* main, alternate */
	struct lxe_saved_cursor saved[2];
	struct lxe_pen pen;
	struct lxe_position cursor;
	bool phantom;	 /* the next character wraps first */
	bool in_text;	 /* libvterm moves the cursor because of text */
	bool last_valid; /* the character that ends at the cursor was the last thing written */
	struct lxe_position last;
	struct lxe_cell last_cell;
	struct lxe_outbuf scrollback;
	size_t batch_len;
	char batch[LXE_SCREEN_BATCH]; /* text that libvterm has not yet got */
};

/* Give libvterm the text that waits. */
void lxe_screen_settle(struct lxe_screen *s);

/* Tell libvterm something; text goes through the batch. At most 63 bytes. */
void lxe_screen_tell(struct lxe_screen *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Forget everything but the grid of the screen that is not shown. */
void lxe_screen_reset(struct lxe_screen *s);

/* Where the character begins that a wrap is pending after, or that a mark would join. */
bool lxe_screen_last(const struct lxe_screen *s, struct lxe_position *pos);

/* Move the cursor, which takes back a pending wrap. */
void lxe_screen_go_to(struct lxe_screen *s, struct lxe_position pos);

/* Is it a combining mark in libvterm's eyes? */
bool lxe_screen_is_mark(struct lxe_screen *s, uint32_t cp);

#endif
