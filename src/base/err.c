#include "base/err.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MIN 300 /* bytes of a message for what was attempted, when there is too much to say */

const char *lxe_reason(int r, char *buf, size_t size)
{
	const char *text = strerrordesc_np(r < 0 ? -r : r);

	if (!text) {
		snprintf(buf, size, "error %d", r);
		return buf;
	}
	snprintf(buf, size, "%s", text);
	/* "RPC: ..." stays as it is: only a word that begins a sentence loses its capital. */
	if (buf[0] && islower((unsigned char)buf[1]))
		buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

/* Cut only where not both fit: a long tail must not push out what was attempted, nor that the tail. */
static void put_in_front(struct lxe_err *err, const char *words, const char *tail)
{
	char old[LXE_ERR_MSG_MAX];
	int room = (int)sizeof(err->msg) - 3, first = (int)strlen(words);
	int last = snprintf(old, sizeof(old), "%s", tail);

	if (first > WORDS_MIN && first + last > room)
		first = room - last > WORDS_MIN ? room - last : WORDS_MIN;
	snprintf(err->msg, sizeof(err->msg), "%.*s: %.*s", first, words, room - first, old);
}

int lxe_fail(struct lxe_err *err, int r, const char *fmt, ...)
{
	char words[LXE_ERR_MSG_MAX], reason[128];
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);

	if (err->code == 0) {
		err->code = r;
		put_in_front(err, words, lxe_reason(r, reason, sizeof(reason)));
	} else {
		put_in_front(err, words, err->msg);
	}
	return r;
}

int lxe_fail_msg(struct lxe_err *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	err->code = r;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return r;
}

void lxe_hint(struct lxe_err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->hint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

void lxe_rule(struct lxe_err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->rule[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err->rule, sizeof(err->rule), fmt, ap);
	va_end(ap);
}
