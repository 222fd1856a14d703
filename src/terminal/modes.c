#include "terminal/modes.h"

#include "base/banned.h"
#include "base/str.h"

/* `quiet`: its default depends on the terminal, so only what the program has chosen is said. */
static const struct {
	uint16_t number;
	bool dec, initial, quiet;
} table[LXE_MODE_COUNT] = {
	[LXE_MODE_CURSOR_KEYS] = { 1, true, false, false },
	[LXE_MODE_REVERSE] = { 5, true, false, false },
	[LXE_MODE_ORIGIN] = { 6, true, false, false },
	[LXE_MODE_AUTOWRAP] = { 7, true, true, false },
	[LXE_MODE_CURSOR] = { 25, true, true, false },
	[LXE_MODE_REVERSE_WRAP] = { 45, true, false, true },
	[LXE_MODE_KEYPAD] = { 66, true, false, false },
	[LXE_MODE_MARGINS] = { 69, true, false, false },
	[LXE_MODE_FOCUS] = { 1004, true, false, false },
	[LXE_MODE_ALT_SCROLL] = { 1007, true, false, true },
	[LXE_MODE_ALT_ESC] = { 1039, true, false, true },
	[LXE_MODE_PASTE] = { 2004, true, false, false },
	[LXE_MODE_GRAPHEMES] = { 2027, true, false, true },
	[LXE_MODE_SCHEME] = { 2031, true, false, true },
	[LXE_MODE_RESIZE] = { 2048, true, false, true },
	[LXE_MODE_INSERT] = { 4, false, false, false },
	[LXE_MODE_NEWLINE] = { 20, false, false, false },
};

bool lxe_modes_get(const struct lxe_modes *m, enum lxe_mode mode)
{
	return m->on >> mode & 1;
}

void lxe_modes_set(struct lxe_modes *m, enum lxe_mode mode, bool on)
{
	m->on = (m->on & ~(1u << mode)) | (uint32_t)on << mode;
	m->touched |= 1u << mode;
}

/* As DECSTR (soft reset) does. */
static void soft_reset(struct lxe_modes *m)
{
	lxe_modes_set(m, LXE_MODE_CURSOR_KEYS, false);
	lxe_modes_set(m, LXE_MODE_ORIGIN, false);
	lxe_modes_set(m, LXE_MODE_AUTOWRAP, true);
	lxe_modes_set(m, LXE_MODE_CURSOR, true);
	lxe_modes_set(m, LXE_MODE_KEYPAD, false);
	lxe_modes_set(m, LXE_MODE_MARGINS, false);
	lxe_modes_set(m, LXE_MODE_INSERT, false);
	m->top = m->bottom = m->left = m->right = 0;
	memset(m->charset, 'B', sizeof(m->charset));
	m->shift = 0;
}

void lxe_modes_init(struct lxe_modes *m, uint16_t rows, uint16_t cols)
{
	*m = (struct lxe_modes){ .rows = rows, .cols = cols };
	soft_reset(m);
	m->touched = 0;
}

static bool is_mouse(unsigned number)
{
	return number == 9 || (number >= 1000 && number <= 1003);
}

static bool is_encoding(unsigned number)
{
	return number == 1005 || number == 1006 || number == 1015 || number == 1016;
}

/* The flags of a screen that is shown anew are none. */
static void set_alt(struct lxe_modes *m, bool on)
{
	if (on && !m->alt)
		m->keys_depth[1] = 0;
	m->alt = on;
}

static void set_dec(struct lxe_modes *m, unsigned number, bool on)
{
	for (unsigned i = 0; i < LXE_MODE_COUNT; i++)
		if (table[i].dec && table[i].number == number)
			lxe_modes_set(m, (enum lxe_mode)i, on);
	if (is_mouse(number))
		m->mouse = on ? (uint16_t)number : 0;
	else if (is_encoding(number))
		m->mouse_encoding = on ? (uint16_t)number : 0;
	else if (number == 12)
		m->cursor_blink = on ? 2 : 1;
	else if (number == 47 || number == 1047 || number == 1049)
		set_alt(m, on);
	else if (number == 69)
		m->left = m->right = 0;
}

static void set_ansi(struct lxe_modes *m, unsigned number, bool on)
{
	for (unsigned i = 0; i < LXE_MODE_COUNT; i++)
		if (!table[i].dec && table[i].number == number)
			lxe_modes_set(m, (enum lxe_mode)i, on);
}

static void set_modes(struct lxe_modes *m, const struct lxe_vt_token *t)
{
	for (size_t i = 0; i < t->n_params; i++)
		if (t->leader == '?')
			set_dec(m, lxe_vt_param(t, i, 0), t->final == 'h');
		else if (t->leader == 0)
			set_ansi(m, lxe_vt_param(t, i, 0), t->final == 'h');
}

static void set_margins(const struct lxe_vt_token *t, uint16_t *first, uint16_t *last, unsigned max)
{
	unsigned from = lxe_vt_param(t, 0, 1), to = lxe_vt_param(t, 1, 0);

	from = from ? from : 1;
	if ((to != 0 && to <= from) || (max && from >= max))
		return;
	to = max && to >= max ? 0 : to;
	*first = (uint16_t)(from == 1 && to == 0 ? 0 : from);
	*last = (uint16_t)to;
}

/* CSI = FLAGS ; HOW u, CSI > FLAGS u, CSI < N u */
static void set_keys(struct lxe_modes *m, const struct lxe_vt_token *t)
{
	uint8_t *depth = &m->keys_depth[m->alt], *keys = m->keys[m->alt];
	unsigned value = lxe_vt_param(t, 0, t->leader == '<'), how = lxe_vt_param(t, 1, 1);

	if (t->leader == '<') {
		*depth = (uint8_t)(value < *depth ? *depth - value : 0);
		return;
	}
	if (t->leader == '>' && *depth == LXE_MODES_KEYS_DEPTH) {
		memmove(keys, keys + 1, LXE_MODES_KEYS_DEPTH - 1);
		(*depth)--;
	}
	if (t->leader == '>' || *depth == 0)
		keys[(*depth)++] = 0;
	keys += *depth - 1;
	value &= 31;
	*keys = (uint8_t)(how == 2 ? *keys | value : how == 3 ? *keys & ~value : value);
}

static void on_csi(struct lxe_modes *m, const struct lxe_vt_token *t)
{
	unsigned value = lxe_vt_param(t, 0, 0);

	if (t->intermed == ' ' && t->final == 'q' && !t->leader && value <= 6) {
		m->cursor_style = (uint8_t)value;
		m->cursor_blink = 0;
	} else if (t->intermed == '!' && t->final == 'p') {
		soft_reset(m);
	} else if (t->intermed) {
		return;
	} else if (t->final == 'h' || t->final == 'l') {
		set_modes(m, t);
	} else if (t->final == 'r' && !t->leader) {
		set_margins(t, &m->top, &m->bottom, m->rows);
	} else if (t->final == 's' && !t->leader && lxe_modes_get(m, LXE_MODE_MARGINS)) {
		set_margins(t, &m->left, &m->right, m->cols);
	} else if (t->final == 'm' && t->leader == '>' && (value == 4 || t->n_params == 1)) {
		value = lxe_vt_param(t, 1, 0);
		m->modify_keys = (uint8_t)(value > 3 ? 0 : value);
	} else if (t->final == 'u' && t->leader && strchr("=<>", t->leader)) {
		set_keys(m, t);
	}
}

static void on_escape(struct lxe_modes *m, const struct lxe_vt_token *t)
{
	if (t->intermed >= '(' && t->intermed <= '+')
		m->charset[t->intermed - '('] = t->final;
	else if (t->intermed)
		return;
	else if (t->final == '=' || t->final == '>')
		lxe_modes_set(m, LXE_MODE_KEYPAD, t->final == '=');
	else if (t->final == 'n' || t->final == 'o')
		m->shift = t->final == 'n' ? 2 : 3;
	else if (t->final == 'c')
		lxe_modes_init(m, m->rows, m->cols);
}

static void on_osc(struct lxe_modes *m, const struct lxe_vt_token *t)
{
	size_t len = t->len < 2 ? 0 : t->len - 2;

	if (t->len < 2 || (t->text[0] != '0' && t->text[0] != '2') || t->text[1] != ';')
		return;
	while (len > LXE_MODES_TITLE_MAX ||
		(len < t->len - 2 && len > 0 && (t->text[2 + len] & 0xc0) == 0x80))
		len--;
	if (lxe_has_controls(t->text + 2, len) || !lxe_utf8_valid(t->text + 2, len))
		return;
	memcpy(m->title, t->text + 2, len);
	m->title_len = (uint16_t)len;
	m->has_title = true;
}

void lxe_modes_apply(struct lxe_modes *m, const struct lxe_vt_token *token)
{
	switch (token->kind) {
	case LXE_VT_CSI:
		on_csi(m, token);
		break;
	case LXE_VT_ESC:
		on_escape(m, token);
		break;
	case LXE_VT_OSC:
		on_osc(m, token);
		break;
	case LXE_VT_CONTROL:
		if (token->cp == 0x0e || token->cp == 0x0f)
			m->shift = token->cp == 0x0e;
		break;
	case LXE_VT_TEXT:
	case LXE_VT_STRING:
		break;
	}
}

static void apply_token(const struct lxe_vt_token *token, void *user)
{
	lxe_modes_apply(user, token);
}

void lxe_modes_tracker_init(struct lxe_modes_tracker *t)
{
	*t = (struct lxe_modes_tracker){ .parser.sequences_only = true };
	lxe_modes_init(&t->modes, 0, 0);
}

void lxe_modes_feed(struct lxe_modes_tracker *t, const void *bytes, size_t n)
{
	lxe_vt_feed(&t->parser, bytes, n, apply_token, &t->modes);
}

static void repair_margins(uint16_t *first, uint16_t *last, uint16_t max)
{
	if (max && *last >= max)
		*last = 0;
	if ((*last && *last <= *first) || (max && *first >= max) || *first > LXE_VT_PARAM_MAX ||
		*last > LXE_VT_PARAM_MAX)
		*first = *last = 0;
}

void lxe_modes_repair(struct lxe_modes *m, uint16_t rows, uint16_t cols)
{
	m->rows = rows;
	m->cols = cols;
	m->on &= (1u << LXE_MODE_COUNT) - 1;
	m->mouse = is_mouse(m->mouse) ? m->mouse : 0;
	m->mouse_encoding = is_encoding(m->mouse_encoding) ? m->mouse_encoding : 0;
	m->cursor_style = m->cursor_style > 6 ? 0 : m->cursor_style;
	m->cursor_blink = m->cursor_blink > 2 ? 0 : m->cursor_blink;
	m->modify_keys = m->modify_keys > 3 ? 0 : m->modify_keys;
	m->shift &= 3;
	for (size_t i = 0; i < sizeof(m->charset); i++)
		m->charset[i] = m->charset[i] == '0' || m->charset[i] == 'A' ? m->charset[i] : 'B';
	for (int i = 0; i < 2; i++)
		if (m->keys_depth[i] > LXE_MODES_KEYS_DEPTH)
			m->keys_depth[i] = 0;
	if (m->title_len > LXE_MODES_TITLE_MAX || lxe_has_controls(m->title, m->title_len) ||
		!lxe_utf8_valid(m->title, m->title_len))
		m->has_title = false, m->title_len = 0;
	repair_margins(&m->top, &m->bottom, rows);
	repair_margins(&m->left, &m->right, cols);
}

static void put_mode(struct lxe_outbuf *out, enum lxe_mode mode, bool on)
{
	lxe_outbuf_format(
		out, "\033[%s%u%c", table[mode].dec ? "?" : "", table[mode].number, on ? 'h' : 'l');
}

void lxe_modes_put_rest(struct lxe_outbuf *out)
{
	/* The first two end a string and a synchronized update that somebody left open. */
	lxe_outbuf_text(out,
		"\033\\\033[?2026l\033[?25l\033[?1049l\033[?69l\033[r\033[?6l\033[4l\033[20l"
		"\033[?5l\033[?7l\033[m\033(B\033)B\033*B\033+B\017");
}

/* Set together with the cursor, by whoever sets that. */
static bool goes_with_cursor(enum lxe_mode mode)
{
	return mode == LXE_MODE_ORIGIN || mode == LXE_MODE_INSERT || mode == LXE_MODE_MARGINS;
}

static void put_mouse(const struct lxe_modes *m, struct lxe_outbuf *out)
{
	lxe_outbuf_text(out, "\033[?9l\033[?1000l\033[?1002l\033[?1003l"
			     "\033[?1005l\033[?1006l\033[?1015l");
	if (m->mouse_encoding)
		lxe_outbuf_format(out, "\033[?%uh", m->mouse_encoding);
	if (m->mouse)
		lxe_outbuf_format(out, "\033[?%uh", m->mouse);
}

void lxe_modes_put_state(const struct lxe_modes *m, struct lxe_outbuf *out)
{
	if (m->has_title) {
		lxe_outbuf_text(out, "\033]2;");
		lxe_outbuf_put(out, m->title, m->title_len);
		lxe_outbuf_text(out, "\033\\");
	}
	for (unsigned i = 0; i < LXE_MODE_COUNT; i++) {
		enum lxe_mode mode = (enum lxe_mode)i;

		if (!goes_with_cursor(mode) && (!table[i].quiet || m->touched >> i & 1))
			put_mode(out, mode, lxe_modes_get(m, mode));
	}
	/* The older spelling of the keypad's mode is the one that every terminal knows. */
	lxe_outbuf_text(out, lxe_modes_get(m, LXE_MODE_KEYPAD) ? "\033=" : "\033>");
	put_mouse(m, out);
	lxe_outbuf_format(out, "\033[%u q", m->cursor_style);
	if (m->cursor_blink)
		lxe_outbuf_format(out, "\033[?12%c", m->cursor_blink == 2 ? 'h' : 'l');
	lxe_outbuf_format(out, "\033[>4;%um", m->modify_keys);
}

void lxe_modes_put_keys(const struct lxe_modes *m, bool alt, struct lxe_outbuf *out)
{
	lxe_outbuf_format(out, "\033[<%uu", LXE_MODES_KEYS_DEPTH);
	for (uint8_t i = 0; i < m->keys_depth[alt]; i++)
		lxe_outbuf_format(out, "\033[>%uu", m->keys[alt][i]);
}

static void put_range(struct lxe_outbuf *out, uint16_t first, uint16_t last, char final)
{
	if (last)
		lxe_outbuf_format(out, "\033[%u;%u%c", first, last, final);
	else if (first)
		lxe_outbuf_format(out, "\033[%u%c", first, final);
}

void lxe_modes_put_margins(const struct lxe_modes *m, struct lxe_outbuf *out)
{
	put_range(out, m->top, m->bottom, 'r');
	if (!lxe_modes_get(m, LXE_MODE_MARGINS))
		return;
	put_mode(out, LXE_MODE_MARGINS, true);
	put_range(out, m->left, m->right, 's');
}

void lxe_modes_put_charsets(const uint8_t charset[4], uint8_t shift, struct lxe_outbuf *out)
{
	for (int i = 0; i < 4; i++)
		lxe_outbuf_format(out, "\033%c%c", "()*+"[i], charset[i] == '0' ? '0' : 'B');
	lxe_outbuf_text(out, shift == 0	  ? "\017"
			     : shift == 1 ? "\016"
			     : shift == 2 ? "\033n"
					  : "\033o");
}

static void undo_modes(const struct lxe_modes *m, struct lxe_outbuf *out)
{
	for (unsigned i = 0; i < LXE_MODE_COUNT; i++) {
		enum lxe_mode mode = (enum lxe_mode)i;

		if (lxe_modes_get(m, mode) != table[i].initial)
			put_mode(out, mode, table[i].initial);
	}
	if (lxe_modes_get(m, LXE_MODE_KEYPAD))
		lxe_outbuf_text(out, "\033>");
	if (m->mouse)
		lxe_outbuf_format(out, "\033[?%ul", m->mouse);
	if (m->mouse_encoding)
		lxe_outbuf_format(out, "\033[?%ul", m->mouse_encoding);
	if (m->cursor_style || m->cursor_blink)
		lxe_outbuf_text(out, "\033[0 q");
	if (m->modify_keys)
		lxe_outbuf_text(out, "\033[>4m");
	if (m->top || m->bottom)
		lxe_outbuf_text(out, "\033[r");
}

static void undo_keys(const struct lxe_modes *m, bool alt, struct lxe_outbuf *out)
{
	if (m->keys_depth[alt])
		lxe_outbuf_format(out, "\033[<%uu", m->keys_depth[alt]);
}

void lxe_modes_put_leave(const struct lxe_modes *m, uint16_t row, struct lxe_outbuf *out)
{
	lxe_outbuf_text(out, "\033\\\033[?2026l\033[m\033(B\017");
	undo_modes(m, out);
	if (m->alt) {
		undo_keys(m, true, out);
		lxe_outbuf_text(out, "\033[?1049l\033[m\033(B\017");
	} else {
		lxe_outbuf_format(out, "\033[%u;1H\r\n", row ? row : 1);
	}
	undo_keys(m, false, out);
	lxe_outbuf_text(out, "\033[?25h");
}
