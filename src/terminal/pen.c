#include "terminal/pen.h"

#include "base/banned.h"

/* SGR 1 and 2 switch each other's 22; the others have an "off" 20 above their "on". */
static const struct {
	uint8_t on, off;
	uint32_t bit;
} attributes[] = {
	{ 1, 22, LXE_PEN_BOLD },
	{ 2, 22, LXE_PEN_DIM },
	{ 3, 23, LXE_PEN_ITALIC },
	{ 5, 25, LXE_PEN_BLINK },
	{ 7, 27, LXE_PEN_REVERSE },
	{ 8, 28, LXE_PEN_CONCEAL },
	{ 9, 29, LXE_PEN_STRIKE },
	{ 53, 55, LXE_PEN_OVERLINE },
};
#define N_ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

static void set_underline(struct lxe_pen *pen, unsigned style)
{
	pen->attrs &= ~(uint32_t)LXE_PEN_UNDERLINE;
	pen->attrs |= (style > 5 ? 1 : style) << LXE_PEN_UNDERLINE_SHIFT;
}

/* How many of the parameters from i on are joined to parameter i by colons. */
static size_t joined(const struct lxe_vt_token *t, size_t i)
{
	size_t n = 0;

	while (i + 1 + n < t->n_params && t->sub[i + 1 + n])
		n++;
	return n;
}

static uint32_t rgb(const struct lxe_vt_token *t, size_t i)
{
	return LXE_COLOUR_RGB | (lxe_vt_param(t, i, 0) & 0xff) << 16 |
	       (lxe_vt_param(t, i + 1, 0) & 0xff) << 8 | (lxe_vt_param(t, i + 2, 0) & 0xff);
}

/*
 * 38, 48 and 58: 5;INDEX and 2;R;G;B, or with colons, where ISO 8613-6 has a colour space between
 * the 2 and R that most programs leave out. Returns how many parameters after i were used.
 */
static size_t set_colour(uint32_t *colour, const struct lxe_vt_token *t, size_t i)
{
	size_t subs = joined(t, i), n = subs ? subs : (size_t)(t->n_params - i - 1);
	unsigned kind = lxe_vt_param(t, i + 1, 0);

	if (kind == 5 && n >= 2) {
		*colour = LXE_COLOUR_INDEX | (lxe_vt_param(t, i + 2, 0) & 0xff);
		return subs ? subs : 2;
	}
	if (kind == 2 && n >= 4) {
		*colour = rgb(t, subs >= 5 ? i + 3 : i + 2);
		return subs ? subs : 4;
	}
	return subs ? subs : n;
}

static bool set_attribute(struct lxe_pen *pen, unsigned code)
{
	bool known = false;

	for (size_t i = 0; i < N_ATTRIBUTES; i++) {
		if (code == attributes[i].on)
			pen->attrs |= attributes[i].bit;
		else if (code == attributes[i].off)
			pen->attrs &= ~attributes[i].bit;
		else
			continue;
		known = true;
	}
	return known;
}

static void set_basic_colour(struct lxe_pen *pen, unsigned code)
{
	if (code >= 30 && code <= 37)
		pen->fg = LXE_COLOUR_INDEX | (code - 30);
	else if (code >= 40 && code <= 47)
		pen->bg = LXE_COLOUR_INDEX | (code - 40);
	else if (code >= 90 && code <= 97)
		pen->fg = LXE_COLOUR_INDEX | (code - 90 + 8);
	else if (code >= 100 && code <= 107)
		pen->bg = LXE_COLOUR_INDEX | (code - 100 + 8);
	else if (code == 39)
		pen->fg = LXE_COLOUR_DEFAULT;
	else if (code == 49)
		pen->bg = LXE_COLOUR_DEFAULT;
	else if (code == 59)
		pen->underline = LXE_COLOUR_DEFAULT;
}

/* Returns how many parameters after i it has used. */
static size_t apply_one(struct lxe_pen *pen, const struct lxe_vt_token *t, size_t i)
{
	unsigned code = lxe_vt_param(t, i, 0);
	size_t subs = joined(t, i);

	if (code == 0)
		*pen = (struct lxe_pen){ 0 };
	else if (code == 4)
		set_underline(pen, subs ? lxe_vt_param(t, i + 1, 1) : 1);
	else if (code == 6)
		pen->attrs |= LXE_PEN_BLINK;
	else if (code == 21)
		set_underline(pen, 2);
	else if (code == 24)
		set_underline(pen, 0);
	else if (code == 38)
		return set_colour(&pen->fg, t, i);
	else if (code == 48)
		return set_colour(&pen->bg, t, i);
	else if (code == 58)
		return set_colour(&pen->underline, t, i);
	else if (!set_attribute(pen, code))
		set_basic_colour(pen, code);
	return subs;
}

void lxe_pen_apply(struct lxe_pen *pen, const struct lxe_vt_token *sgr)
{
	for (size_t i = 0; i < sgr->n_params; i++)
		i += apply_one(pen, sgr, i);
}

static void put_colour(struct lxe_outbuf *out, uint32_t colour, unsigned base)
{
	unsigned value = colour & 0xffffff;

	if (colour == LXE_COLOUR_DEFAULT)
		return;
	if (colour & LXE_COLOUR_RGB)
		lxe_outbuf_format(out, ";%u;2;%u;%u;%u", base + 8, value >> 16, value >> 8 & 0xff,
			value & 0xff);
	else if (value < 8 && base != 50)
		lxe_outbuf_format(out, ";%u", base + value);
	else if (value < 16 && base != 50)
		lxe_outbuf_format(out, ";%u", base + 60 + value - 8);
	else
		lxe_outbuf_format(out, ";%u;5;%u", base + 8, value);
}

void lxe_pen_put(const struct lxe_pen *pen, struct lxe_outbuf *out)
{
	unsigned underline = (pen->attrs & LXE_PEN_UNDERLINE) >> LXE_PEN_UNDERLINE_SHIFT;

	lxe_outbuf_text(out, "\033[0");
	for (size_t i = 0; i < N_ATTRIBUTES; i++)
		if (pen->attrs & attributes[i].bit)
			lxe_outbuf_format(out, ";%u", attributes[i].on);
	if (underline == 1 || underline == 2)
		lxe_outbuf_text(out, underline == 1 ? ";4" : ";21");
	put_colour(out, pen->fg, 30);
	put_colour(out, pen->bg, 40);
	put_colour(out, pen->underline, 50);
	lxe_outbuf_put(out, "m", 1);
	/* Alone, because terminals that do not know colons refuse the whole sequence. */
	if (underline > 2)
		lxe_outbuf_format(out, "\033[4:%um", underline);
}
