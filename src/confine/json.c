#include "confine/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

int lxe_json_bad(const struct lxe_json *p, const char *fmt, ...)
{
	char what[LXE_ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return lxe_fail_msg(
		p->err, -EINVAL, "%s: %s%s%s", p->name, p->place, p->place[0] ? ": " : "", what);
}

size_t lxe_json_enter(struct lxe_json *p, const char *fmt, ...)
{
	size_t len = strlen(p->place);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->place + len, sizeof(p->place) - len, fmt, ap);
	va_end(ap);
	return len;
}

void lxe_json_leave(struct lxe_json *p, size_t len)
{
	p->place[len] = '\0';
}

static const char *dot(const struct lxe_json *p)
{
	return p->place[0] ? "." : "";
}

/* A key that is misspelt would leave a condition out, and make a rule wider than it was meant. */
int lxe_json_only(struct lxe_json *p, json_t *object, const char *const *keys)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return lxe_json_bad(p, "is not an object");
	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (keys[i] && strcmp(keys[i], key) != 0)
			i++;
		if (!keys[i])
			return lxe_json_bad(p, "the key '%.64s' is not known", key);
	}
	return 0;
}

json_t *lxe_json_get(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

#define WIDE '\x7f' /* begins the text that stands for a number which jansson cannot hold */

/* The length of a whole number that only 64 bits without a sign hold, and its value; 0: it is none. */
static size_t wide_number(const char *text, size_t len, uint64_t *value)
{
	size_t n = 0;
	char digits[24];

	while (n < len && n < 21 && text[n] >= '0' && text[n] <= '9')
		n++;
	if (n < 19 || n > 20 || (n < len && strchr(".eE", text[n])))
		return 0;
	memcpy(digits, text, n);
	digits[n] = '\0';
	if (lxe_parse_u64(digits, 0, UINT64_MAX, value) < 0 || *value <= INT64_MAX)
		return 0;
	return n;
}

/* Where the next one is, outside of all texts, from `at` on; len: nowhere. */
static size_t find_wide(const char *text, size_t len, size_t at, size_t *n, uint64_t *value)
{
	bool quoted = false;

	for (; at < len; at++) {
		char before = at ? text[at - 1] : ' ';

		if (quoted && text[at] == '\\')
			at++;
		else if (text[at] == '"')
			quoted = !quoted;
		else if (!quoted && strchr(" \t\r\n:,[", before) &&
			 (*n = wide_number(text + at, len - at, value)))
			return at;
	}
	return len;
}

/* Not longer than they were, so that an error's place stays what it is. */
static void replace_wide(char *text, size_t len, size_t at)
{
	uint64_t value = 0;
	size_t n = 0;

	while ((at = find_wide(text, len, at, &n, &value)) < len) {
		char word[24];

		snprintf(word, sizeof(word), "\"%c%016" PRIx64 "\"  ", WIDE, value);
		memcpy(text + at, word, n);
		at += n;
	}
}

json_t *lxe_json_load(const char *text, size_t len, json_error_t *error)
{
	uint64_t value = 0;
	size_t n = 0, at = find_wide(text, len, 0, &n, &value);
	json_t *root;
	char *copy;

	if (at == len)
		return json_loadb(text, len, JSON_REJECT_DUPLICATES, error);
	copy = malloc(len);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	replace_wide(copy, len, at);
	root = json_loadb(copy, len, JSON_REJECT_DUPLICATES, error);
	free(copy);
	return root;
}

/* -1: it is no number from 0 on. */
static int number_of(const json_t *value, uint64_t *ret)
{
	const char *text = json_string_value(value);

	if (text && text[0] == WIDE && strlen(text) == 17) {
		const char *digits = "0123456789abcdef", *digit = digits;

		for (int i = 1; i < 17 && (digit = strchr(digits, text[i])); i++)
			*ret = *ret << 4 | (uint64_t)(digit - digits);
		return digit ? 0 : -1;
	}
	*ret = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0 ? 0 : -1;
}

int lxe_json_number(struct lxe_json *p, const json_t *object, const char *key, uint64_t max,
	bool needed, uint64_t *ret)
{
	const json_t *value = lxe_json_get(object, key);
	size_t at = lxe_json_enter(p, "%s%s", dot(p), key);
	uint64_t n = 0;
	int r = 0;

	if (!value && needed)
		r = lxe_json_bad(p, "is missing");
	else if (value && number_of(value, &n) < 0)
		r = lxe_json_bad(p, "is not a number from 0 on");
	else if (value && n > max)
		r = lxe_json_bad(p, "%" PRIu64 " is too large", n);
	else if (value)
		*ret = n;
	if (r == 0)
		lxe_json_leave(p, at);
	return r;
}

int lxe_json_string(
	struct lxe_json *p, const json_t *object, const char *key, bool needed, const char **ret)
{
	const json_t *value = lxe_json_get(object, key);
	size_t at = lxe_json_enter(p, "%s%s", dot(p), key);
	int r = 0;

	*ret = NULL;
	if (!value && needed)
		r = lxe_json_bad(p, "is missing");
	else if (value && !json_is_string(value))
		r = lxe_json_bad(p, "is not a text");
	else if (value)
		*ret = json_string_value(value);
	if (r == 0)
		lxe_json_leave(p, at);
	return r;
}

int lxe_json_each(struct lxe_json *p, const json_t *object, const char *key,
	int (*one)(struct lxe_json *p, const char *text, void *arg), void *arg)
{
	const json_t *list = lxe_json_get(object, key);
	size_t at = lxe_json_enter(p, "%s%s", dot(p), key), i;
	const json_t *value;
	int r = 0;

	if (list && !json_is_array(list))
		return lxe_json_bad(p, "is not a list");
	json_array_foreach(list, i, value)
	{
		size_t inner = lxe_json_enter(p, "[%zu]", i);

		if (!json_is_string(value))
			return lxe_json_bad(p, "is not a text");
		r = one(p, json_string_value(value), arg);
		if (r < 0)
			return r;
		lxe_json_leave(p, inner);
	}
	lxe_json_leave(p, at);
	return 0;
}
