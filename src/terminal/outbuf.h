/*
 * A growing buffer of output. A failed allocation sticks: whoever fills it asks once, at the end.
 * The filled part belongs to the caller after lxe_outbuf_take(), otherwise to lxe_outbuf_release().
 */
#ifndef LXE_TERMINAL_OUTBUF_H
#define LXE_TERMINAL_OUTBUF_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lxe_outbuf {
	char *p;
	size_t len, size;
	bool failed;
};

static inline void lxe_outbuf_release(struct lxe_outbuf *b)
{
	free(b->p);
	*b = (struct lxe_outbuf){ 0 };
}

static inline bool lxe_outbuf_room(struct lxe_outbuf *b, size_t more)
{
	size_t size = b->size ? b->size : 256;
	char *p;

	if (b->size - b->len > more)
		return true;
	while (size - b->len <= more)
		size *= 2;
	p = realloc(b->p, size);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->size = size;
	return true;
}

static inline void lxe_outbuf_put(struct lxe_outbuf *b, const void *bytes, size_t n)
{
	if (n == 0 || b->failed || !lxe_outbuf_room(b, n))
		return;
	memcpy(b->p + b->len, bytes, n);
	b->len += n;
}

static inline void lxe_outbuf_text(struct lxe_outbuf *b, const char *text)
{
	lxe_outbuf_put(b, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static inline void lxe_outbuf_format(
	struct lxe_outbuf *b, const char *fmt, ...)
{
	char text[128];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof(text))
		lxe_outbuf_put(b, text, (size_t)n);
	else if (n != 0)
		b->failed = true;
}

/* UTF-8 of a valid code point; returns its length. */
static inline size_t lxe_utf8_encode(uint32_t cp, char out[4])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

static inline void lxe_outbuf_cp(struct lxe_outbuf *b, uint32_t cp)
{
	char utf8[4] = { 0 };

	lxe_outbuf_put(b, utf8, lxe_utf8_encode(cp, utf8));
}

/* Hands the bytes over (never NULL on success) and leaves an empty buffer. 0 or -ENOMEM. */
static inline int lxe_outbuf_take(struct lxe_outbuf *b, char **ret, size_t *len)
{
	if (b->failed || !lxe_outbuf_room(b, 1)) {
		lxe_outbuf_release(b);
		return -ENOMEM;
	}
	b->p[b->len] = '\0';
	*ret = b->p;
	*len = b->len;
	*b = (struct lxe_outbuf){ 0 };
	return 0;
}

#endif
