#include "base/banned.h"
#include "terminal/screen_state.h"

static void put_position(struct lxe_outbuf *out, int row, int col)
{
	lxe_outbuf_format(out, "\033[%d;%dH", row + 1, col + 1);
}

static void put_chars(const struct lxe_cell *cell, struct lxe_outbuf *out)
{
	lxe_outbuf_cp(out, cell->ch[0] ? cell->ch[0] : ' ');
	for (int i = 1; i < LXE_CELL_CHARS && cell->ch[i]; i++)
		lxe_outbuf_cp(out, cell->ch[i]);
}

/* Terminals do not agree on the width of everything; where they may not, the column is named. */
static bool width_is_sure(const struct lxe_cell *cell)
{
	uint32_t c = cell->ch[0];

	return cell->width == 1 && cell->ch[1] == 0 && (c < 0x300 || (c >= 0x2500 && c < 0x25a0));
}

/* Cells of the default pen at the end of a row need not be written: the screen was cleared. */
static int written_length(const struct lxe_grid *g, int row)
{
	static const struct lxe_pen plain;
	int n = g->row[row]->fill != LXE_COLOUR_DEFAULT ? g->cols : g->row[row]->used;

	while (n > 0) {
		struct lxe_cell cell = lxe_grid_cell(g, row, n - 1);

		if (!lxe_cell_blank(&cell) || !lxe_pen_equal(&cell.pen, &plain))
			return n;
		n--;
	}
	return 0;
}

static void put_row(const struct lxe_grid *g, int row, struct lxe_pen *pen, struct lxe_outbuf *out)
{
	int n = written_length(g, row);

	if (n)
		put_position(out, row, 0);
	for (int col = 0; col < n; col++) {
		struct lxe_cell cell = lxe_grid_cell(g, row, col);

		if (cell.width == 0)
			continue;
		if (!lxe_pen_equal(pen, &cell.pen))
			lxe_pen_put(&cell.pen, out);
		*pen = cell.pen;
		put_chars(&cell, out);
		if (!width_is_sure(&cell) && col + cell.width < n)
			lxe_outbuf_format(out, "\033[%dG", col + cell.width + 1);
	}
}

/* Needs modes at rest; leaves the default pen. */
static void put_grid(const struct lxe_grid *g, struct lxe_outbuf *out)
{
	struct lxe_pen pen = { 0 };

	lxe_outbuf_text(out, "\033[H\033[2J");
	for (int row = 0; row < g->rows; row++)
		put_row(g, row, &pen, out);
	lxe_outbuf_text(out, "\033[m");
}

/* Positions count from the margins while origin mode is on. */
static void put_cursor(const struct lxe_modes *m, struct lxe_position pos, struct lxe_outbuf *out)
{
	if (lxe_modes_get(m, LXE_MODE_ORIGIN)) {
		pos.row -= m->top ? m->top - 1 : 0;
		pos.col -= m->left && lxe_modes_get(m, LXE_MODE_MARGINS) ? m->left - 1 : 0;
	}
	put_position(out, pos.row < 0 ? 0 : pos.row, pos.col < 0 ? 0 : pos.col);
}

/*
 * DECSC with what it was given. It keeps origin mode as well; without margins, as here, positions
 * count from the upper left in either case.
 */
static void put_saved(const struct lxe_saved_cursor *saved, struct lxe_outbuf *out)
{
	if (saved->origin)
		lxe_outbuf_text(out, "\033[?6h");
	put_position(out, saved->pos.row, saved->pos.col);
	lxe_pen_put(&saved->pen, out);
	lxe_modes_put_charsets(saved->charset, saved->shift, out);
	lxe_outbuf_text(out, "\0337");
}

static void put_rest_of_screen(struct lxe_outbuf *out)
{
	lxe_outbuf_text(out, "\033[m\033(B\033)B\033*B\033+B\017\033[?6l\033[?69l\033[r");
}

/*
 * The character before the cursor is written once more, so that a wrap is pending where one was,
 * and a mark that follows finds its base.
 */
static void put_last(const struct lxe_screen *s, struct lxe_outbuf *out)
{
	struct lxe_position pos;
	struct lxe_cell cell;

	if (!lxe_screen_last(s, &pos)) {
		put_cursor(&s->modes, s->cursor, out);
		return;
	}
	put_cursor(&s->modes, pos, out);
	cell = lxe_grid_cell(&s->grid[s->modes.alt], pos.row, pos.col);
	lxe_pen_put(&cell.pen, out);
	put_chars(&cell, out);
}

static void put_final(const struct lxe_screen *s, struct lxe_outbuf *out)
{
	const struct lxe_modes *m = &s->modes;

	lxe_modes_put_margins(m, out);
	if (lxe_modes_get(m, LXE_MODE_ORIGIN))
		lxe_outbuf_text(out, "\033[?6h");
	put_last(s, out);
	lxe_pen_put(&s->pen, out);
	lxe_modes_put_charsets(m->charset, m->shift, out);
	if (lxe_modes_get(m, LXE_MODE_INSERT))
		lxe_outbuf_text(out, "\033[4h");
	lxe_vt_pending(&s->parser, out);
}

/*
 * A wrap is pending, and meanwhile a character of another width has come to stand at the end of the
 * row: writing that one again would leave the cursor elsewhere.
 */
static void forget_odd_wrap(struct lxe_screen *s)
{
	struct lxe_position pos;

	if (s->phantom && lxe_screen_last(s, &pos) && pos.col != s->cursor.col)
		lxe_screen_go_to(s, s->cursor);
}

int lxe_screen_redraw(struct lxe_screen *s, char **ret, size_t *len)
{
	struct lxe_outbuf out = { 0 };

	lxe_screen_settle(s);
	forget_odd_wrap(s);
	lxe_modes_put_rest(&out);
	put_grid(&s->grid[0], &out);
	lxe_modes_put_keys(&s->modes, false, &out);
	put_saved(&s->saved[0], &out);
	if (s->modes.alt) {
		put_rest_of_screen(&out);
		/* Saves the cursor once more, so it must be where that was. */
		lxe_outbuf_text(&out, "\0338\033[?1049h");
		put_rest_of_screen(&out);
		put_grid(&s->grid[1], &out);
		lxe_modes_put_keys(&s->modes, true, &out);
		put_saved(&s->saved[1], &out);
	}
	put_rest_of_screen(&out);
	lxe_modes_put_state(&s->modes, &out);
	put_final(s, &out);
	return lxe_outbuf_take(&out, ret, len);
}

int lxe_screen_leave(struct lxe_screen *s, char **ret, size_t *len)
{
	struct lxe_outbuf out = { 0 };
	int row = lxe_grid_height(&s->grid[0]);

	lxe_screen_settle(s);
	row = row > s->cursor.row + 1 ? row : s->cursor.row + 1;
	lxe_modes_put_leave(&s->modes, (uint16_t)row, &out);
	return lxe_outbuf_take(&out, ret, len);
}

static void put_text(const struct lxe_grid *g, struct lxe_outbuf *out)
{
	int height = lxe_grid_height(g);

	for (int row = 0; row < height; row++) {
		lxe_grid_row_text(g, row, out);
		if (!g->row[row]->continues || row == height - 1)
			lxe_outbuf_put(out, "\n", 1);
	}
}

int lxe_screen_text(struct lxe_screen *s, char **ret, size_t *len)
{
	struct lxe_outbuf out = { 0 };

	lxe_screen_settle(s);
	lxe_outbuf_put(&out, s->scrollback.p, s->scrollback.len);
	put_text(&s->grid[0], &out);
	if (s->modes.alt)
		put_text(&s->grid[1], &out);
	return lxe_outbuf_take(&out, ret, len);
}
