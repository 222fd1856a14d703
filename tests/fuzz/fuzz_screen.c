/*
 * Whatever a program writes: the screen stays within its cells, its text holds no controls, and what
 * is redrawn on a terminal in any state is the same and draws the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/screen_compare.h"
#include "terminal/screen.h"

static void feed_halves(struct lxe_screen *s, const uint8_t *data, size_t size)
{
	lxe_screen_feed(s, data, size / 2);
	lxe_screen_feed(s, data + size / 2, size - size / 2);
}

static void check_text(struct lxe_screen *s)
{
	char *text = NULL;
	size_t len = 0;

	if (lxe_screen_text(s, &text, &len) < 0)
		abort();
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\n' && (unsigned char)text[i] < ' ')
			abort();
	free(text);
}

static void redraw(struct lxe_screen *from, struct lxe_screen *to)
{
	char *bytes = NULL;
	size_t len = 0;

	if (lxe_screen_redraw(from, &bytes, &len) < 0)
		abort();
	lxe_screen_feed(to, bytes, len);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lxe_screen *a = NULL, *b = NULL, *c = NULL;
	uint16_t rows, cols;
	char *bytes = NULL;
	size_t len = 0;

	if (size < 3)
		return 0;
	rows = (uint16_t)(1 + data[0] % 30);
	cols = (uint16_t)(1 + data[1] % 90);
	if (lxe_screen_new(&a, rows, cols) < 0 || lxe_screen_new(&b, rows, cols) < 0 ||
		lxe_screen_new(&c, rows, cols) < 0)
		abort();
	feed_halves(a, data + 2, size - 2);
	lxe_screen_feed(b, data + 2, size / 3);
	redraw(a, b);
	for (int i = 0; i <= a->modes.alt; i++)
		if (grids_differ(&a->grid[i], &b->grid[i]))
			abort();
	if (modes_differ(&a->modes, &b->modes))
		abort();
	redraw(b, c);
	if (grids_differ(&b->grid[b->modes.alt], &c->grid[b->modes.alt]))
		abort();
	check_text(a);
	if (lxe_screen_leave(a, &bytes, &len) < 0)
		abort();
	free(bytes);
	lxe_screen_free(a);
	lxe_screen_free(b);
	lxe_screen_free(c);
	return 0;
}
