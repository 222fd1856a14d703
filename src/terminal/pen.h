/*
 * How a character looks: attributes and colours as SGR sets them (ECMA-48 8.3.117, and what xterm
 * and its successors have added). Pure values; all zero is the terminal's default.
 */
#ifndef LXE_TERMINAL_PEN_H
#define LXE_TERMINAL_PEN_H

#include <stdbool.h>
#include <stdint.h>

#include "terminal/vtparse.h"

enum {
	LXE_PEN_BOLD = 1 << 0,
	LXE_PEN_DIM = 1 << 1,
	LXE_PEN_ITALIC = 1 << 2,
	LXE_PEN_BLINK = 1 << 3,
	LXE_PEN_REVERSE = 1 << 4,
	LXE_PEN_CONCEAL = 1 << 5,
	LXE_PEN_STRIKE = 1 << 6,
	LXE_PEN_OVERLINE = 1 << 7,
	LXE_PEN_UNDERLINE_SHIFT = 8, /* 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed */
	LXE_PEN_UNDERLINE = 7 << LXE_PEN_UNDERLINE_SHIFT,
};

#define LXE_COLOUR_DEFAULT 0u
#define LXE_COLOUR_INDEX (1u << 24)
#define LXE_COLOUR_RGB (2u << 24)

struct lxe_pen {
	uint32_t fg, bg, underline; /* LXE_COLOUR_* with an index or 0xRRGGBB */
	uint32_t attrs;
};

static inline bool lxe_pen_equal(const struct lxe_pen *a, const struct lxe_pen *b)
{
	return a->fg == b->fg && a->bg == b->bg && a->underline == b->underline &&
	       a->attrs == b->attrs;
}

/* Apply an SGR sequence (CSI ... m). */
void lxe_pen_apply(struct lxe_pen *pen, const struct lxe_vt_token *sgr);

/* Append the one SGR sequence that makes any pen this one. */
void lxe_pen_put(const struct lxe_pen *pen, struct lxe_outbuf *out);

#endif
