#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lxe_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return 0;
}

int lxe_strv_addn(struct lxe_strv *list, const char *text, size_t len)
{
	char **grown, *copy;

	grown = realloc(list->v, (list->n + 2) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	list->v = grown;
	copy = malloc(len + 1);
	if (!copy) {
		list->v[list->n] = NULL;
		return -ENOMEM;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	list->v[list->n++] = copy;
	list->v[list->n] = NULL;
	return 0;
}

int lxe_strv_add(struct lxe_strv *list, const char *text)
{
	return lxe_strv_addn(list, text, strlen(text));
}

void lxe_strv_release(struct lxe_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct lxe_strv){ 0 };
}

int lxe_str_set(char **where, const char *text)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*where);
	*where = copy;
	return 0;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char lead_min, lead_max, second_min, second_max;
		size_t len;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].lead_min || p[0] > forms[i].lead_max)
			continue;
		if (left < forms[i].len)
			return 0;
		if (forms[i].len > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

bool lxe_utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	while (len) {
		size_t n = utf8_sequence(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/*
 * C0, DEL and C1 controls drive terminals; the separators U+2028 and U+2029 end a line for some; and
 * whatever has the property Bidi_Control (UAX 9) shows text in another order than it has:
 * U+061C, U+200E, U+200F, U+202A..U+202E, U+2066..U+2069.
 */
static bool is_control(const unsigned char *p, size_t n)
{
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (n == 2)
		return (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c);
	if (n != 3 || p[0] != 0xe2)
		return false;
	if (p[1] == 0x80)
		return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
	return p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9;
}

bool lxe_has_controls(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	while (len) {
		size_t n = utf8_sequence(p, len);

		if (n > 0 && is_control(p, n))
			return true;
		n = n ? n : 1;
		p += n;
		len -= n;
	}
	return false;
}

void lxe_escape(char *buf, size_t size, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0;

	while (len) {
		size_t n = utf8_sequence(p, len);
		bool plain = n > 0 && !is_control(p, n) && p[0] != '\\';
		size_t need = plain ? n : 4;

		if (used + need + 1 > size)
			break;
		if (plain) {
			memcpy(buf + used, p, n);
		} else {
			n = 1;
			snprintf(buf + used, 5, "\\x%02x", p[0]);
		}
		used += need;
		p += n;
		len -= n;
	}
	if (size)
		buf[used] = '\0';
}

void lxe_excerpt(char *buf, size_t size, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0, n;

	for (; len; len -= n, p += n) {
		n = utf8_sequence(p, len);
		n = n ? n : 1;
		if (used + n + 1 > size)
			break;
		memcpy(buf + used, p, n);
		if (!*p)
			buf[used] = '?';
		used += n;
	}
	if (size)
		buf[used] = '\0';
}
