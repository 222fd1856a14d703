/*
 * Are two screens the same: what they show, and all that decides what the next bytes do?
 */
#ifndef LXE_TESTS_SCREEN_COMPARE_H
#define LXE_TESTS_SCREEN_COMPARE_H

#include <stdio.h>
#include <string.h>

#include "terminal/screen_state.h"

static inline int cells_differ(const struct lxe_cell *a, const struct lxe_cell *b)
{
	uint32_t first_a = a->ch[0] ? a->ch[0] : ' ', first_b = b->ch[0] ? b->ch[0] : ' ';

	if (a->width != b->width)
		return 1;
	if (!lxe_pen_equal(&a->pen, &b->pen))
		return 1;
	return a->width != 0 &&
	       (first_a != first_b || memcmp(a->ch + 1, b->ch + 1, sizeof(a->ch) - 4) != 0);
}

static inline const char *grids_differ(const struct lxe_grid *a, const struct lxe_grid *b)
{
	static char text[160];

	for (int row = 0; row < a->rows; row++)
		for (int col = 0; col < a->cols; col++) {
			struct lxe_cell x = lxe_grid_cell(a, row, col);
			struct lxe_cell y = lxe_grid_cell(b, row, col);

			if (!cells_differ(&x, &y))
				continue;
			snprintf(text, sizeof(text), "cell %d,%d: U+%04x/%d %x/%x, U+%04x/%d %x/%x",
				row, col, x.ch[0], x.width, x.pen.attrs, x.pen.bg, y.ch[0], y.width,
				y.pen.attrs, y.pen.bg);
			return text;
		}
	return NULL;
}

static inline const char *saved_differ(
	const struct lxe_saved_cursor *a, const struct lxe_saved_cursor *b)
{
	if (a->pos.row != b->pos.row || a->pos.col != b->pos.col)
		return "saved cursor";
	if (!lxe_pen_equal(&a->pen, &b->pen) || a->origin != b->origin)
		return "saved pen or origin mode";
	return NULL;
}

static inline const char *modes_differ(const struct lxe_modes *a, const struct lxe_modes *b)
{
	/* Whose default differs between terminals: said only when the program has chosen. */
	uint32_t quiet = 1u << LXE_MODE_REVERSE_WRAP | 1u << LXE_MODE_ALT_SCROLL |
			 1u << LXE_MODE_ALT_ESC | 1u << LXE_MODE_GRAPHEMES | 1u << LXE_MODE_SCHEME |
			 1u << LXE_MODE_RESIZE;
	static char text[64];

	if ((a->on ^ b->on) & ~(quiet & ~a->touched)) {
		snprintf(text, sizeof(text), "modes %x %x", a->on, b->on);
		return text;
	}
	if (a->mouse != b->mouse || a->mouse_encoding != b->mouse_encoding)
		return "mouse";
	if (a->cursor_style != b->cursor_style || a->cursor_blink != b->cursor_blink)
		return "cursor style";
	if (a->alt != b->alt)
		return "alternate screen";
	if (a->top != b->top || a->bottom != b->bottom)
		return "margins";
	if (lxe_modes_get(a, LXE_MODE_MARGINS) && (a->left != b->left || a->right != b->right))
		return "margins of columns";
	if (a->shift != b->shift)
		return "shift";
	for (int i = 0; i < 4; i++)
		if ((a->charset[i] == '0') != (b->charset[i] == '0'))
			return "character set";
	if (a->has_title && (!b->has_title || a->title_len != b->title_len ||
				    memcmp(a->title, b->title, a->title_len) != 0))
		return "title";
	for (int i = 0; i <= a->alt; i++)
		if (a->keys_depth[i] &&
			(a->keys_depth[i] != b->keys_depth[i] ||
				memcmp(a->keys[i], b->keys[i], a->keys_depth[i]) != 0))
			return "keyboard flags";
	return NULL;
}

/* NULL, or what is different. `a` is the original, `b` what was redrawn. */
static inline const char *screens_differ(struct lxe_screen *a, struct lxe_screen *b)
{
	const char *what;

	lxe_screen_settle(a);
	lxe_screen_settle(b);
	what = modes_differ(&a->modes, &b->modes);
	for (int i = 0; !what && i <= a->modes.alt; i++) {
		what = grids_differ(&a->grid[i], &b->grid[i]);
		if (!what)
			what = saved_differ(&a->saved[i], &b->saved[i]);
	}
	if (what)
		return what;
	if (a->cursor.row != b->cursor.row || a->cursor.col != b->cursor.col)
		return "cursor";
	if (a->phantom != b->phantom)
		return "pending wrap";
	if (!lxe_pen_equal(&a->pen, &b->pen))
		return "pen";
	return NULL;
}

#endif
