#include "terminal/screen_state.h"

#include <vterm.h>

#include "base/banned.h"

static struct lxe_grid *shown(struct lxe_screen *s)
{
	return &s->grid[s->modes.alt];
}

bool lxe_screen_last(const struct lxe_screen *s, struct lxe_position *pos)
{
	const struct lxe_grid *g = &s->grid[s->modes.alt];
	struct lxe_cell cell;

	if (s->phantom) {
		*pos = (struct lxe_position){ s->cursor.row, s->cols - 1 };
		if (pos->col > 0 && lxe_grid_cell(g, pos->row, pos->col).width == 0)
			pos->col--;
		return true;
	}
	*pos = s->last;
	/* Without wrapping the cursor stays on the last character of a row. */
	if (!s->last_valid || pos->col + s->last_cell.width != s->cursor.col)
		return false;
	cell = lxe_grid_cell(g, pos->row, pos->col);
	cell.ch[0] = cell.ch[0] ? cell.ch[0] : ' ';
	return cell.width == s->last_cell.width && cell.ch[0] == s->last_cell.ch[0];
}

static void put_glyph(struct lxe_screen *s, VTermPos pos, const struct lxe_cell *cell)
{
	if (pos.col == 0 && pos.row > 0 && s->phantom)
		shown(s)->row[pos.row - 1]->continues = true;
	lxe_grid_put(shown(s), pos.row, pos.col, cell);
	s->last = (struct lxe_position){ pos.row, pos.col };
	s->last_cell = *cell;
	s->last_valid = true;
	s->phantom =
		pos.col + cell->width >= s->cols && lxe_modes_get(&s->modes, LXE_MODE_AUTOWRAP);
}

static int on_glyph(VTermGlyphInfo *info, VTermPos pos, void *user)
{
	struct lxe_screen *s = user;
	struct lxe_cell cell = { .pen = s->pen, .width = (uint8_t)info->width };

	for (int i = 0; i < LXE_CELL_CHARS && info->chars[i]; i++)
		cell.ch[i] = info->chars[i];
	if (!s->in_text) /* the screen alignment pattern */
		lxe_grid_put(shown(s), pos.row, pos.col, &cell);
	else if (info->width == 1 || info->width == 2)
		put_glyph(s, pos, &cell);
	return 1;
}

static int on_probe(VTermGlyphInfo *info, VTermPos pos, void *user)
{
	bool *joined = user;

	(void)pos;
	*joined = info->chars[1] != 0;
	return 1;
}

bool lxe_screen_is_mark(struct lxe_screen *s, uint32_t cp)
{
	static const VTermStateCallbacks probe = { .putglyph = on_probe };
	char text[6] = "\ra";
	bool joined = false;

	if (cp < 0x300)
		return false;
	vterm_state_set_callbacks(vterm_obtain_state(s->probe), &probe, &joined);
	vterm_input_write(s->probe, text, 2 + lxe_utf8_encode(cp, text + 2));
	return joined;
}

static int on_cursor(VTermPos pos, VTermPos old, int visible, void *user)
{
	struct lxe_screen *s = user;

	(void)old;
	(void)visible;
	s->cursor = (struct lxe_position){ pos.row, pos.col };
	if (!s->in_text)
		s->phantom = s->last_valid = false;
	return 1;
}

static void trim_scrollback(struct lxe_screen *s)
{
	struct lxe_outbuf *b = &s->scrollback;
	char *line;

	if (b->len <= LXE_SCREEN_SCROLLBACK_MAX)
		return;
	line = memchr(b->p + b->len / 2, '\n', b->len - b->len / 2);
	line = line ? line + 1 : b->p + b->len / 2;
	b->len -= (size_t)(line - b->p);
	memmove(b->p, line, b->len);
}

static void keep_lines(struct lxe_screen *s, int n)
{
	for (int i = 0; i < n; i++) {
		lxe_grid_row_text(&s->grid[0], i, &s->scrollback);
		if (!s->grid[0].row[i]->continues)
			lxe_outbuf_put(&s->scrollback, "\n", 1);
	}
	trim_scrollback(s);
}

static struct lxe_rect rect_of(VTermRect r)
{
	return (struct lxe_rect){ r.start_row, r.end_row, r.start_col, r.end_col };
}

static int on_scroll(VTermRect rect, int downward, int rightward, void *user)
{
	struct lxe_screen *s = user;
	int height = rect.end_row - rect.start_row;

	if (!s->modes.alt && rect.start_row == 0 && rect.start_col == 0 &&
		rect.end_col == s->cols && downward > 0)
		keep_lines(s, downward < height ? downward : height);
	lxe_grid_scroll(shown(s), rect_of(rect), downward, rightward, s->pen.bg);
	return 1;
}

static int on_erase(VTermRect rect, int selective, void *user)
{
	struct lxe_screen *s = user;

	(void)selective;
	lxe_grid_erase(shown(s), rect_of(rect), s->pen.bg);
	return 1;
}

static const VTermStateCallbacks callbacks = {
	.putglyph = on_glyph,
	.movecursor = on_cursor,
	.scrollrect = on_scroll,
	.erase = on_erase,
};

static void discard_answer(const char *bytes, size_t len, void *user)
{
	(void)bytes;
	(void)len;
	(void)user;
}

int lxe_screen_new(struct lxe_screen **ret, uint16_t rows, uint16_t cols)
{
	struct lxe_screen *s;

	if (rows == 0 || cols == 0 || rows > LXE_SCREEN_SIDE_MAX || cols > LXE_SCREEN_SIDE_MAX)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->rows = rows;
	s->cols = cols;
	lxe_modes_init(&s->modes, rows, cols);
	s->vterm = vterm_new(rows, cols);
	s->probe = vterm_new(1, 4);
	if (!s->vterm || !s->probe || lxe_grid_init(&s->grid[0], rows, cols) < 0 ||
		lxe_grid_init(&s->grid[1], rows, cols) < 0) {
		lxe_screen_free(s);
		return -ENOMEM;
	}
	vterm_set_utf8(s->probe, 1);
	vterm_state_reset(vterm_obtain_state(s->probe), 1);
	vterm_set_utf8(s->vterm, 1);
	vterm_output_set_callback(s->vterm, discard_answer, NULL);
	vterm_state_set_callbacks(vterm_obtain_state(s->vterm), &callbacks, s);
	vterm_state_reset(vterm_obtain_state(s->vterm), 1);
	*ret = s;
	return 0;
}

void lxe_screen_free(struct lxe_screen *s)
{
	if (!s)
		return;
	if (s->vterm)
		vterm_free(s->vterm);
	if (s->probe)
		vterm_free(s->probe);
	lxe_grid_release(&s->grid[0]);
	lxe_grid_release(&s->grid[1]);
	lxe_outbuf_release(&s->scrollback);
	free(s);
}

void lxe_screen_tell(struct lxe_screen *s, const char *fmt, ...)
{
	char text[64];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text))
		vterm_input_write(s->vterm, text, (size_t)n);
}

void lxe_screen_settle(struct lxe_screen *s)
{
	s->in_text = true;
	vterm_input_write(s->vterm, s->batch, s->batch_len);
	s->in_text = false;
	s->batch_len = 0;
}

void lxe_screen_reset(struct lxe_screen *s)
{
	vterm_state_reset(vterm_obtain_state(s->vterm), 1);
	s->cursor = (struct lxe_position){ 0 };
	s->phantom = s->last_valid = false;
}
