/*
 * The modes that a program has set on its terminal, from the bytes it wrote. Pure, and a plain
 * value without pointers: it may be copied, and may lie in memory that two processes share.
 *
 * A ring holds only the end of the stream, and what was set before its oldest byte would be unknown
 * (which screen is shown, application cursor keys, mouse, bracketed paste ...). So whoever reads the
 * master may keep a tracker (lxe_modes_feed), which costs one memchr(3) for plain text, and a
 * screen can be begun with it.
 */
#ifndef LXE_TERMINAL_MODES_H
#define LXE_TERMINAL_MODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/vtparse.h"

#define LXE_MODES_TITLE_MAX 256
#define LXE_MODES_KEYS_DEPTH 8

enum lxe_mode {
	LXE_MODE_CURSOR_KEYS,  /* DECCKM, ?1 */
	LXE_MODE_REVERSE,      /* DECSCNM, ?5 */
	LXE_MODE_ORIGIN,       /* DECOM, ?6 */
	LXE_MODE_AUTOWRAP,     /* DECAWM, ?7 */
	LXE_MODE_CURSOR,       /* DECTCEM, ?25 */
	LXE_MODE_REVERSE_WRAP, /* ?45 */
	LXE_MODE_KEYPAD,       /* DECNKM, ?66, ESC = and ESC > */
	LXE_MODE_MARGINS,      /* DECLRMM, ?69 */
	LXE_MODE_FOCUS,	       /* ?1004 */
	LXE_MODE_ALT_SCROLL,   /* ?1007 */
	LXE_MODE_ALT_ESC,      /* ?1039 */
	LXE_MODE_PASTE,	       /* ?2004 */
	LXE_MODE_GRAPHEMES,    /* ?2027 */
	LXE_MODE_SCHEME,       /* ?2031 */
	LXE_MODE_RESIZE,       /* ?2048 */
	LXE_MODE_INSERT,       /* IRM, 4 */
	LXE_MODE_NEWLINE,      /* LNM, 20 */
	LXE_MODE_COUNT,
};

struct lxe_modes {
	uint32_t on, touched;	   /* bits by enum lxe_mode; touched: the program has chosen */
	uint16_t mouse;		   /* 0, 9, 1000..1003: the last one set */
	uint16_t mouse_encoding;   /* 0, 1005, 1006, 1015, 1016 */
	uint8_t cursor_style;	   /* DECSCUSR, 0..6 */
	uint8_t cursor_blink;	   /* ?12: 0 not chosen, 1 off, 2 on */
	uint8_t modify_keys;	   /* XTMODKEYS 4 */
	bool alt;		   /* the alternate screen is shown */
	uint16_t rows, cols;	   /* of the terminal, for the margins; 0: not known */
	uint16_t top, bottom;	   /* DECSTBM, from 1; bottom 0: the last row */
	uint16_t left, right;	   /* DECSLRM, likewise */
	uint8_t charset[4], shift; /* designations ('B' or 0: ASCII, '0': line drawing); SO, SI */
	uint8_t keys_depth[2];	   /* kitty's keyboard flags, a stack per screen */
	uint8_t keys[2][LXE_MODES_KEYS_DEPTH];
	uint16_t title_len;
	bool has_title;
	char title[LXE_MODES_TITLE_MAX]; /* no control characters */
};

/* Rows and columns may be 0 here and below: not known. */
void lxe_modes_init(struct lxe_modes *m, uint16_t rows, uint16_t cols);
bool lxe_modes_get(const struct lxe_modes *m, enum lxe_mode mode);
void lxe_modes_set(struct lxe_modes *m, enum lxe_mode mode, bool on);

/* Make a value that came from elsewhere fit, and whatever is out of bounds in it harmless. */
void lxe_modes_repair(struct lxe_modes *m, uint16_t rows, uint16_t cols);

/* Apply one token; those that set no mode are ignored. */
void lxe_modes_apply(struct lxe_modes *m, const struct lxe_vt_token *token);

/*
 * The tracker alone. Shifts by SO and SI, which are no sequences, are not followed by it. Begin
 * with lxe_modes_tracker_init().
 */
struct lxe_modes_tracker {
	struct lxe_modes modes;
	struct lxe_vt parser;
};
void lxe_modes_tracker_init(struct lxe_modes_tracker *t);
void lxe_modes_feed(struct lxe_modes_tracker *t, const void *bytes, size_t n);

/*
 * The parts of a redraw. `rest`: everything the picture depends on is at rest, so that cells can be
 * written: main screen, no margins, ASCII, default pen, no wrapping, the cursor hidden. `state`:
 * what programs rely on, as in m, except what goes together with the cursor: margins, character
 * sets, origin and insert mode. `keys`: kitty's keyboard flags of one screen.
 */
void lxe_modes_put_rest(struct lxe_outbuf *out);
void lxe_modes_put_state(const struct lxe_modes *m, struct lxe_outbuf *out);
void lxe_modes_put_keys(const struct lxe_modes *m, bool alt, struct lxe_outbuf *out);
void lxe_modes_put_margins(const struct lxe_modes *m, struct lxe_outbuf *out);
void lxe_modes_put_charsets(const uint8_t charset[4], uint8_t shift, struct lxe_outbuf *out);

/*
 * Append what makes the terminal fit for its shell again: undoes what the program has set, leaves
 * the alternate screen, shows the cursor, resets SGR. On the main screen the cursor ends in column 1
 * below `row` (from 1), the last row that shows anything.
 */
void lxe_modes_put_leave(const struct lxe_modes *m, uint16_t row, struct lxe_outbuf *out);

#endif
