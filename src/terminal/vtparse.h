/*
 * What a program writes to its terminal, cut into text, controls and complete sequences. Pure; a
 * plain value without pointers, so it may be copied and may lie in shared memory. Nothing that a
 * hostile program writes makes it grow: overlong sequences are cut, numbers are bounded, and text
 * comes as valid code points, with U+FFFD for what is no UTF-8. C1 controls are not known in their
 * 8-bit form (the stream is UTF-8) and those that come as code points are dropped, as is DEL.
 */
#ifndef LXE_TERMINAL_VTPARSE_H
#define LXE_TERMINAL_VTPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/outbuf.h"

#define LXE_VT_PARAMS 32
#define LXE_VT_PARAM_MAX 32767
#define LXE_VT_MISSING 0xffff
#define LXE_VT_STRING_MAX 1024
#define LXE_VT_RAW_MAX 192

enum lxe_vt_kind {
	LXE_VT_TEXT,	/* cp */
	LXE_VT_CONTROL, /* cp: a C0 control other than NUL, CAN, SUB, ESC */
	LXE_VT_ESC,	/* intermed, final */
	LXE_VT_CSI,	/* leader, intermed, final, params */
	LXE_VT_OSC,	/* text, len, cut */
	LXE_VT_STRING,	/* DCS, SOS, PM, APC: only that there was one */
};

struct lxe_vt_token {
	enum lxe_vt_kind kind;
	uint32_t cp;
	uint8_t leader, intermed, final; /* 0: none; 0xff: more than one */
	uint8_t n_params;
	uint16_t params[LXE_VT_PARAMS];
	bool sub[LXE_VT_PARAMS]; /* joined to the one before it by a colon */
	const char *text;
	size_t len;
	bool cut;
};

struct lxe_vt {
	uint8_t state, string; /* string: the byte that introduced it */
	bool sequences_only;   /* text and controls are skipped, quickly */
	bool cut;
	uint8_t leader, intermed, n_params, need;
	uint16_t params[LXE_VT_PARAMS];
	bool sub[LXE_VT_PARAMS];
	uint32_t cp, cp_min;
	uint16_t raw_len, text_len;
	char raw[LXE_VT_RAW_MAX]; /* of the incomplete sequence or character */
	char text[LXE_VT_STRING_MAX];
};

/* An all-zero value is a parser at the beginning. */

/* Called for each token, which is valid during the call only. */
typedef void lxe_vt_fn(const struct lxe_vt_token *token, void *user);

void lxe_vt_feed(struct lxe_vt *vt, const void *bytes, size_t n, lxe_vt_fn *fn, void *user);

/*
 * Append what puts another terminal into the middle of the same sequence or character, so that the
 * bytes that follow mean the same to it. Of a string too long to be kept: a string of that
 * kind that means nothing.
 */
void lxe_vt_pending(const struct lxe_vt *vt, struct lxe_outbuf *out);

/* Parameter i, or `missing` where it was not given. */
static inline unsigned lxe_vt_param(const struct lxe_vt_token *t, size_t i, unsigned missing)
{
	return i < t->n_params && t->params[i] != LXE_VT_MISSING ? t->params[i] : missing;
}

/*
 * Where to begin in bytes whose beginning was lost, perhaps in the middle of a character or a
 * sequence: at the first ESC or after the first line feed if one of them comes early, or else at
 * the first beginning of a character. What is skipped is at most a line or a sequence.
 */
size_t lxe_vt_start(const void *bytes, size_t n);

#endif
