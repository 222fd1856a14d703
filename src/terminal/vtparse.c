#include "terminal/vtparse.h"

#include "base/banned.h"

#define START_WINDOW 4096
#define REPLACEMENT 0xfffd

enum state { GROUND, UTF8, ESC, CSI, STRING, STRING_ESC };

static void go(struct lxe_vt *vt, enum state state)
{
	vt->state = (uint8_t)state;
	if (state == GROUND)
		vt->raw_len = 0;
}

static void keep_raw(struct lxe_vt *vt, uint8_t c)
{
	if (vt->raw_len < LXE_VT_RAW_MAX)
		vt->raw[vt->raw_len++] = (char)c;
	else
		vt->cut = true;
}

static void begin_escape(struct lxe_vt *vt)
{
	vt->raw_len = 0;
	vt->cut = false;
	vt->leader = vt->intermed = 0;
	keep_raw(vt, 0x1b);
	go(vt, ESC);
}

static void send_char(uint32_t cp, enum lxe_vt_kind kind, lxe_vt_fn *fn, void *user)
{
	struct lxe_vt_token t;

	t.kind = kind;
	t.cp = cp;
	fn(&t, user);
}

static void control(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	if (c != 0 && !vt->sequences_only)
		send_char(c, LXE_VT_CONTROL, fn, user);
}

static void text(struct lxe_vt *vt, uint32_t cp, lxe_vt_fn *fn, void *user)
{
	if (cp >= 0x80 && cp < 0xa0)
		return;
	if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) || (cp & 0xfffe) == 0xfffe)
		cp = REPLACEMENT;
	if (!vt->sequences_only)
		send_char(cp, LXE_VT_TEXT, fn, user);
}

/* The first byte of a character that is longer than one. */
static void begin_utf8(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

	if (c < 0xc2 || c > 0xf4) {
		text(vt, REPLACEMENT, fn, user);
		return;
	}
	vt->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	vt->cp = c & (0x3fu >> vt->need);
	vt->cp_min = least[vt->need];
	vt->raw_len = 0;
	keep_raw(vt, c);
	go(vt, UTF8);
}

/* False: the byte does not belong to the character and is still to be looked at. */
static bool more_utf8(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	if ((c & 0xc0) != 0x80) {
		go(vt, GROUND);
		text(vt, REPLACEMENT, fn, user);
		return false;
	}
	vt->cp = vt->cp << 6 | (c & 0x3f);
	keep_raw(vt, c);
	if (--vt->need == 0) {
		go(vt, GROUND);
		text(vt, vt->cp < vt->cp_min ? REPLACEMENT : vt->cp, fn, user);
	}
	return true;
}

static void on_ground(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	if (c < 0x20)
		control(vt, c, fn, user);
	else if (c < 0x7f)
		text(vt, c, fn, user);
	else if (c > 0x7f)
		begin_utf8(vt, c, fn, user);
}

static void add_intermediate(struct lxe_vt *vt, uint8_t c)
{
	vt->intermed = vt->intermed ? 0xff : c;
}

static void on_escape(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	struct lxe_vt_token t = { .kind = LXE_VT_ESC, .intermed = vt->intermed, .final = c };

	keep_raw(vt, c);
	if (c < 0x30) {
		add_intermediate(vt, c);
	} else if (c == '[' && !vt->intermed) {
		vt->n_params = 1;
		vt->params[0] = LXE_VT_MISSING;
		vt->sub[0] = false;
		go(vt, CSI);
	} else if (strchr("P]X^_", c) && !vt->intermed) {
		vt->string = c;
		vt->text_len = 0;
		vt->cut = false;
		go(vt, STRING);
	} else {
		go(vt, GROUND);
		if (c < 0x7f)
			fn(&t, user);
	}
}

static void send_csi(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	struct lxe_vt_token t = {
		.kind = LXE_VT_CSI,
		.leader = vt->leader,
		.intermed = vt->intermed,
		.final = c,
		.n_params = vt->n_params,
	};

	memcpy(t.params, vt->params, sizeof(t.params[0]) * vt->n_params);
	memcpy(t.sub, vt->sub, sizeof(t.sub[0]) * vt->n_params);
	fn(&t, user);
}

static void add_digit(struct lxe_vt *vt, uint8_t c)
{
	uint16_t *p = &vt->params[vt->n_params - 1];
	unsigned value = (*p == LXE_VT_MISSING ? 0u : *p) * 10u + (unsigned)(c - '0');

	*p = (uint16_t)(value > LXE_VT_PARAM_MAX ? LXE_VT_PARAM_MAX : value);
}

static void on_csi(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	keep_raw(vt, c);
	if (c >= '0' && c <= '9' && !vt->intermed) {
		if (!vt->cut)
			add_digit(vt, c);
	} else if ((c == ';' || c == ':') && !vt->intermed) {
		if (vt->n_params == LXE_VT_PARAMS) {
			vt->cut = true;
			return;
		}
		vt->sub[vt->n_params] = c == ':';
		vt->params[vt->n_params++] = LXE_VT_MISSING;
	} else if (c >= '<' && c <= '?' && !vt->intermed) {
		vt->leader = vt->leader || vt->raw_len > 3 ? 0xff : c;
	} else if (c < 0x30) {
		add_intermediate(vt, c);
	} else {
		go(vt, GROUND);
		if (c >= 0x40 && c < 0x7f)
			send_csi(vt, c, fn, user);
	}
}

static void end_string(struct lxe_vt *vt, lxe_vt_fn *fn, void *user)
{
	struct lxe_vt_token t = { .kind = vt->string == ']' ? LXE_VT_OSC : LXE_VT_STRING,
		.text = vt->text,
		.len = vt->text_len,
		.cut = vt->cut };

	go(vt, GROUND);
	fn(&t, user);
}

static void on_string(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	if (c == 0x1b)
		go(vt, STRING_ESC);
	else if (c == 0x07 && vt->string == ']')
		end_string(vt, fn, user);
	else if (vt->text_len < LXE_VT_STRING_MAX)
		vt->text[vt->text_len++] = (char)c;
	else
		vt->cut = true;
}

static void one(struct lxe_vt *vt, uint8_t c, lxe_vt_fn *fn, void *user)
{
	if (vt->state == STRING_ESC) {
		if (c == '\\') {
			end_string(vt, fn, user);
			return;
		}
		begin_escape(vt);
	}
	if (vt->state == UTF8 && more_utf8(vt, c, fn, user))
		return;
	if (c == 0x18 || c == 0x1a)
		go(vt, GROUND);
	else if (vt->state == STRING)
		on_string(vt, c, fn, user);
	else if (c == 0x1b)
		begin_escape(vt);
	else if (vt->state == GROUND)
		on_ground(vt, c, fn, user);
	else if (c < 0x20)
		control(vt, c, fn, user);
	else if (c == 0x7f)
		return;
	else if (vt->state == ESC)
		on_escape(vt, c, fn, user);
	else
		on_csi(vt, c, fn, user);
}

void lxe_vt_feed(struct lxe_vt *vt, const void *bytes, size_t n, lxe_vt_fn *fn, void *user)
{
	const uint8_t *p = bytes, *end = p + n, *next;

	while (p < end) {
		if (vt->sequences_only && vt->state == GROUND) {
			next = memchr(p, 0x1b, (size_t)(end - p));
			if (!next)
				return;
			p = next;
		}
		one(vt, *p++, fn, user);
	}
}

void lxe_vt_pending(const struct lxe_vt *vt, struct lxe_outbuf *out)
{
	if (vt->state == GROUND)
		return;
	if (vt->state != STRING && vt->state != STRING_ESC) {
		lxe_outbuf_put(out, vt->raw, vt->raw_len);
		return;
	}
	if (vt->cut) {
		lxe_outbuf_text(out, vt->string == ']' ? "\033]99999;" : "\033^");
	} else {
		lxe_outbuf_put(out, "\033", 1);
		lxe_outbuf_put(out, &vt->string, 1);
		lxe_outbuf_put(out, vt->text, vt->text_len);
	}
	if (vt->state == STRING_ESC)
		lxe_outbuf_put(out, "\033", 1);
}

static size_t first_char(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && i < 3 && (p[i] & 0xc0) == 0x80)
		i++;
	return i;
}

size_t lxe_vt_start(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n && i < START_WINDOW; i++) {
		if (p[i] == '\n')
			return i + 1;
		/* The end of a string that began in what was lost. */
		if (p[i] == 0x1b)
			return i + 1 < n && p[i + 1] == '\\' ? i + 2 : i;
	}
	return first_char(p, n);
}
