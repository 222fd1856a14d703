/*
 * Strings: bounded formatting that reports truncation, a growing list of strings, and the escaping
 * of text that somebody else chose before it is printed.
 */
#ifndef LXE_BASE_STR_H
#define LXE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

/* snprintf(3) for which "does not fit" is an error: -ENAMETOOLONG. */
int lxe_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A NULL-terminated list that owns its strings; an all-zero value is an empty list. */
struct lxe_strv {
	char **v; /* NULL while empty */
	size_t n;
};

int lxe_strv_add(struct lxe_strv *list, const char *text);
int lxe_strv_addn(struct lxe_strv *list, const char *text, size_t len);
void lxe_strv_release(struct lxe_strv *list);

/* Replace *where by a copy of text (NULL clears it). 0 or -ENOMEM. */
int lxe_str_set(char **where, const char *text);

/*
 * Copy `len` bytes of untrusted text so that it is safe on a terminal and inside a log line:
 * printable UTF-8 stays, everything else becomes \xNN. Always terminated; cut at `size`.
 */
void lxe_escape(char *buf, size_t size, const char *text, size_t len);

/*
 * Copy `len` bytes for a message, as they are but for NUL, which ends a string: a `?`. Always terminated; cut at `size`, between
 * two characters. Who prints or logs a message escapes it, once.
 */
void lxe_excerpt(char *buf, size_t size, const char *text, size_t len);

/* Does it hold what would drive a terminal, or show text in another order than it has? */
bool lxe_has_controls(const char *text, size_t len);

bool lxe_utf8_valid(const char *text, size_t len);

static inline bool lxe_starts_with(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return false;
	return true;
}

#endif
