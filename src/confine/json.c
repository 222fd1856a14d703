#include "confine/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

int lxe_json_number(struct lxe_json *p, const json_t *object, const char *key, uint64_t max,
	bool needed, uint64_t *ret)
{
	const json_t *value = lxe_json_get(object, key);
	size_t at = lxe_json_enter(p, "%s%s", dot(p), key);
	json_int_t n = json_integer_value(value);
	int r = 0;

	if (!value && needed)
		r = lxe_json_bad(p, "is missing");
	else if (value && (!json_is_integer(value) || n < 0))
		r = lxe_json_bad(p, "is not a number from 0 on");
	else if (value && (uint64_t)n > max)
		r = lxe_json_bad(p, "%" JSON_INTEGER_FORMAT " is too large", n);
	else if (value)
		*ret = (uint64_t)n;
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
