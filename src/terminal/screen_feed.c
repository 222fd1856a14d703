#include "base/banned.h"
#include "terminal/screen_state.h"

/* DEC special graphics, 0x60 to 0x7e. */
static const uint16_t drawing[] = { 0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0xb0, 0xb1,
	0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c, 0x23ba, 0x23bb, 0x2500, 0x23bc,
	0x23bd, 0x251c, 0x2524, 0x2534, 0x252c, 0x2502, 0x2264, 0x2265, 0x3c0, 0x2260, 0xa3, 0xb7 };

/* A mark whose base libvterm already has; alone it would make libvterm wrap or insert. */
static void on_mark(struct lxe_screen *s, uint32_t cp)
{
	struct lxe_grid *g = &s->grid[s->modes.alt];
	struct lxe_position pos;
	struct lxe_cell cell;
	int i = 1;

	if (!lxe_screen_last(s, &pos))
		return;
	cell = lxe_grid_cell(g, pos.row, pos.col);
	while (i < LXE_CELL_CHARS && cell.ch[i])
		i++;
	if (i == LXE_CELL_CHARS || cell.ch[0] == 0 || cell.ch[0] == ' ')
		return;
	cell.ch[i] = cp;
	lxe_grid_put(g, pos.row, pos.col, &cell);
	s->last = pos;
	s->last_cell = cell;
	s->last_valid = true;
}

static void on_text(struct lxe_screen *s, uint32_t cp)
{
	/* Marks must come with their base, so a full batch ends before a character that is none. */
	if (s->batch_len > LXE_SCREEN_BATCH * 3 / 4 &&
		(cp < 0x80 || s->batch_len > LXE_SCREEN_BATCH - 4))
		lxe_screen_settle(s);
	if (s->batch_len == 0 && lxe_screen_is_mark(s, cp)) {
		on_mark(s, cp);
		return;
	}
	if (cp >= 0x60 && cp <= 0x7e && s->modes.charset[s->modes.shift] == '0')
		cp = drawing[cp - 0x60];
	s->batch_len += lxe_utf8_encode(cp, s->batch + s->batch_len);
}

static void on_control(struct lxe_screen *s, uint32_t c)
{
	if (c >= 0x08 && c <= 0x0d)
		lxe_screen_tell(s, "%c", (char)c);
}

void lxe_screen_go_to(struct lxe_screen *s, struct lxe_position pos)
{
	bool origin = lxe_modes_get(&s->modes, LXE_MODE_ORIGIN);
	int top = origin && s->modes.top ? s->modes.top - 1 : 0;
	int left = origin && lxe_modes_get(&s->modes, LXE_MODE_MARGINS) && s->modes.left
			   ? s->modes.left - 1
			   : 0;

	/* Libvterm counts from 1 and takes no less. */
	lxe_screen_tell(s, "\033[%d;%dH", pos.row < top ? 1 : pos.row - top + 1,
		pos.col < left ? 1 : pos.col - left + 1);
	s->phantom = s->last_valid = false;
}

static void save_cursor(struct lxe_screen *s)
{
	struct lxe_saved_cursor *to = &s->saved[s->modes.alt];

	to->pos = s->cursor;
	to->pen = s->pen;
	to->shift = s->modes.shift;
	to->origin = lxe_modes_get(&s->modes, LXE_MODE_ORIGIN);
	memcpy(to->charset, s->modes.charset, sizeof(to->charset));
}

static void restore_cursor(struct lxe_screen *s)
{
	const struct lxe_saved_cursor *from = &s->saved[s->modes.alt];

	s->pen = from->pen;
	s->modes.shift = from->shift;
	memcpy(s->modes.charset, from->charset, sizeof(from->charset));
	lxe_modes_set(&s->modes, LXE_MODE_ORIGIN, from->origin);
	lxe_screen_tell(s, "\033[?6%c", from->origin ? 'h' : 'l');
	lxe_screen_go_to(s, from->pos);
}

static void erase_all(struct lxe_screen *s)
{
	lxe_grid_erase(
		&s->grid[s->modes.alt], (struct lxe_rect){ 0, s->rows, 0, s->cols }, s->pen.bg);
}

/* Modes that move the cursor or the picture; libvterm hears of those that guide its layout. */
static void set_mode(struct lxe_screen *s, unsigned mode, bool on, bool was_alt)
{
	if (mode == 6 || mode == 7 || mode == 69) {
		lxe_screen_tell(s, "\033[?%u%c", mode, on ? 'h' : 'l');
		if (mode == 69)
			/* Margins of an earlier time do not come back. */
			lxe_screen_tell(s, "\0337\033[s\0338");
	} else if (mode == 1048 || (mode == 1049 && on && !was_alt)) {
		if (on)
			save_cursor(s);
		else
			restore_cursor(s);
	}
	if (mode == 6)
		s->phantom = s->last_valid = false;
	if (mode == 7 && !on && s->phantom)
		lxe_screen_go_to(s, s->cursor); /* libvterm would still wrap */
}

/*
 * The alternate screen begins anew each time it is shown, whichever of the three modes shows it:
 * programs expect no more, and what it held is not redrawn while it is hidden.
 */
static void switch_screen(struct lxe_screen *s, unsigned mode, bool on, bool was_alt)
{
	s->last_valid = false;
	if (on && !was_alt) {
		s->saved[1] = (struct lxe_saved_cursor){ 0 };
		erase_all(s);
	}
	if (mode == 1049 && !on)
		restore_cursor(s);
}

/* One mode at a time, because each may move the cursor for the next. */
static void on_modes(struct lxe_screen *s, const struct lxe_vt_token *t)
{
	struct lxe_vt_token single = *t;
	bool on = t->final == 'h';

	single.n_params = 1;
	for (size_t i = 0; i < t->n_params; i++) {
		unsigned mode = lxe_vt_param(t, i, 0);
		bool was_alt = s->modes.alt;

		if (t->leader == '?' && mode != 0)
			set_mode(s, mode, on, was_alt);
		single.params[0] = (uint16_t)mode;
		lxe_modes_apply(&s->modes, &single);
		if (t->leader == '?' && (mode == 47 || mode == 1047 || mode == 1049))
			switch_screen(s, mode, on, was_alt);
		else if (t->leader == 0 && (mode == 4 || mode == 20))
			lxe_screen_tell(s, "\033[%u%c", mode, on ? 'h' : 'l');
	}
}

/* Margins as the modes have them; setting them moves the cursor to the upper left. */
static void on_margins(struct lxe_screen *s, const struct lxe_vt_token *t)
{
	const struct lxe_modes *m = &s->modes;
	bool rows = t->final == 'r';
	unsigned first, last;

	lxe_modes_apply(&s->modes, t);
	first = rows ? m->top : m->left;
	last = rows ? m->bottom : m->right;
	if (first == 0)
		lxe_screen_tell(s, "\033[%c", t->final);
	else
		lxe_screen_tell(s, "\033[%u;%u%c", first,
			last   ? last
			: rows ? s->rows
			       : s->cols,
			t->final);
	s->phantom = s->last_valid = false;
}

static void soft_reset(struct lxe_screen *s, const struct lxe_vt_token *t)
{
	struct lxe_position pos = s->cursor;

	lxe_modes_apply(&s->modes, t);
	s->pen = (struct lxe_pen){ 0 };
	s->saved[s->modes.alt] = (struct lxe_saved_cursor){ 0 };
	lxe_screen_tell(s, "\033[s\033[?69l\033[r\033[?6l\033[?7h\033[4l");
	lxe_screen_go_to(s, pos);
}

static void hard_reset(struct lxe_screen *s)
{
	s->pen = (struct lxe_pen){ 0 };
	s->saved[0] = s->saved[1] = (struct lxe_saved_cursor){ 0 };
	s->modes.alt = true;
	erase_all(s);
	lxe_modes_init(&s->modes, s->rows, s->cols);
	lxe_screen_reset(s);
}

/*
 * REP, within the row, of a character that ends at the cursor. Not libvterm's, which never comes to
 * an end after a lone mark.
 */
static void repeat(struct lxe_screen *s, unsigned count)
{
	int room = s->cols - s->cursor.col, width = s->last_cell.width;
	struct lxe_position pos;

	if (s->phantom || !lxe_screen_last(s, &pos) || s->cursor.col != pos.col + width)
		return;
	for (int done = 0; done < (int)count && (done + 1) * width <= room; done++)
		on_text(s, s->last_cell.ch[0]);
	lxe_screen_settle(s);
}

static void edit(struct lxe_screen *s, const struct lxe_vt_token *t)
{
	unsigned a = lxe_vt_param(t, 0, LXE_VT_MISSING), b = lxe_vt_param(t, 1, LXE_VT_MISSING);
	const char *mark = t->intermed ? "'" : "";

	if (a == LXE_VT_MISSING && b == LXE_VT_MISSING)
		lxe_screen_tell(s, "\033[%s%c", mark, t->final);
	else if (b == LXE_VT_MISSING)
		lxe_screen_tell(s, "\033[%u%s%c", a, mark, t->final);
	else
		lxe_screen_tell(
			s, "\033[%u;%u%s%c", a == LXE_VT_MISSING ? 1 : a, b, mark, t->final);
	/* These take back a pending wrap also where they move nothing. */
	if (strchr("ABCDEFGH`adefjk", t->final))
		s->phantom = s->last_valid = false;
}

/* What libvterm may hear as it is. No cell is protected, so selective erasing is erasing. */
static bool is_edit(const struct lxe_vt_token *t)
{
	if (t->intermed == '\'')
		return !t->leader && (t->final == '}' || t->final == '~');
	if (t->intermed)
		return false;
	if (t->leader)
		return t->leader == '?' && (t->final == 'J' || t->final == 'K');
	if (t->final == 'T' && t->n_params > 1)
		return false;
	return strchr("@ABCDEFGHIJKLMPSTXZ`adefgjk", t->final) != NULL;
}

static void on_csi(struct lxe_screen *s, const struct lxe_vt_token *t)
{
	bool plain = !t->leader && !t->intermed;

	if (is_edit(t))
		edit(s, t);
	else if (plain && t->final == 'm')
		lxe_pen_apply(&s->pen, t);
	else if (plain && t->final == 'b')
		repeat(s, lxe_vt_param(t, 0, 1));
	else if (!t->intermed && (t->final == 'h' || t->final == 'l'))
		on_modes(s, t);
	else if (plain && (t->final == 'r' ||
				  (t->final == 's' && lxe_modes_get(&s->modes, LXE_MODE_MARGINS))))
		on_margins(s, t);
	else if (plain && t->final == 's')
		save_cursor(s);
	else if (plain && t->final == 'u')
		restore_cursor(s);
	else if (t->intermed == '!' && t->final == 'p')
		soft_reset(s, t);
	else
		lxe_modes_apply(&s->modes, t);
}

static void on_escape(struct lxe_screen *s, const struct lxe_vt_token *t)
{
	if (t->intermed == '#' && t->final == '8')
		lxe_screen_tell(s, "\033#8");
	else if (t->intermed)
		lxe_modes_apply(&s->modes, t);
	else if (strchr("DEHM", t->final))
		lxe_screen_tell(s, "\033%c", t->final);
	else if (t->final == '7')
		save_cursor(s);
	else if (t->final == '8')
		restore_cursor(s);
	else if (t->final == 'c')
		hard_reset(s);
	else
		lxe_modes_apply(&s->modes, t);
}

static void on_token(const struct lxe_vt_token *t, void *user)
{
	struct lxe_screen *s = user;

	if (t->kind == LXE_VT_TEXT) {
		on_text(s, t->cp);
		return;
	}
	if (s->batch_len)
		lxe_screen_settle(s);
	switch (t->kind) {
	case LXE_VT_CONTROL:
		on_control(s, t->cp);
		lxe_modes_apply(&s->modes, t);
		break;
	case LXE_VT_ESC:
		on_escape(s, t);
		break;
	case LXE_VT_CSI:
		on_csi(s, t);
		break;
	case LXE_VT_OSC:
	case LXE_VT_STRING:
	case LXE_VT_TEXT:
		lxe_modes_apply(&s->modes, t);
		break;
	}
}

void lxe_screen_feed(struct lxe_screen *s, const void *bytes, size_t n)
{
	lxe_vt_feed(&s->parser, bytes, n, on_token, s);
}

void lxe_screen_begin(struct lxe_screen *s, const struct lxe_modes *modes)
{
	struct lxe_modes *m = &s->modes;

	*m = *modes;
	lxe_modes_repair(m, s->rows, s->cols);
	lxe_screen_tell(s, "\033[?7%c\033[4%c\033[20%c",
		lxe_modes_get(m, LXE_MODE_AUTOWRAP) ? 'h' : 'l',
		lxe_modes_get(m, LXE_MODE_INSERT) ? 'h' : 'l',
		lxe_modes_get(m, LXE_MODE_NEWLINE) ? 'h' : 'l');
	lxe_screen_tell(s, "\033[%u;%ur", m->top ? m->top : 1, m->bottom ? m->bottom : s->rows);
	if (lxe_modes_get(m, LXE_MODE_MARGINS))
		lxe_screen_tell(s, "\033[?69h\033[%u;%us", m->left ? m->left : 1,
			m->right ? m->right : s->cols);
	lxe_screen_tell(s, "\033[?6%c", lxe_modes_get(m, LXE_MODE_ORIGIN) ? 'h' : 'l');
}
