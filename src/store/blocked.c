#include "store/blocked.h"

#include <jansson.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

/* One word into a buffer, or none. */
static bool take(char *buf, size_t size, const char **text)
{
	size_t len = strcspn(*text, " \n");

	if (len == 0 || lxe_format(buf, size, "%.*s", (int)len, *text) < 0)
		return false;
	*text += len;
	*text += **text == ' ';
	return true;
}

const char *lxe_blocked_line(struct lxe_blocked_line *ret, const char *text)
{
	const size_t in = sizeof(LXE_BLOCKED_IN) - 1;
	struct lxe_blocked_line line;
	size_t len;

	line.in = strncmp(text, LXE_BLOCKED_IN, in) == 0;
	text += line.in ? in : 0;
	if (!take(line.proto, sizeof(line.proto), &text) ||
		!take(line.destination, sizeof(line.destination), &text) ||
		!take(line.port, sizeof(line.port), &text) ||
		!take(line.count, sizeof(line.count), &text))
		return NULL;
	len = strcspn(text, "\n");
	if (text[len] != '\n' ||
		lxe_format(line.hint, sizeof(line.hint), "%.*s", (int)len, text) < 0)
		return NULL;
	*ret = line;
	return text + len + 1;
}

static json_t *number(const char *text)
{
	uint64_t value;

	return lxe_parse_u64(text, 0, INT64_MAX, &value) == 0 ? json_integer((json_int_t)value)
							      : json_null();
}

/* Of what had no room, nobody knows. */
static json_t *direction(const struct lxe_blocked_line *line)
{
	if (strcmp(line->destination, "*") == 0)
		return json_null();
	return json_string(line->in ? "in" : "out");
}

static json_t *word(const char *text)
{
	return strcmp(text, "*") == 0 || !text[0] ? json_null() : json_string(text);
}

json_t *lxe_blocked_json(const char *text)
{
	struct lxe_blocked_line line;
	json_t *list = json_array();

	while ((text = lxe_blocked_line(&line, text))) {
		json_t *one = json_object();

		json_object_set_new(one, "direction", direction(&line));
		json_object_set_new(one, "protocol", word(line.proto));
		json_object_set_new(one, "destination", word(line.destination));
		json_object_set_new(one, "port", number(line.port));
		json_object_set_new(one, "count", number(line.count));
		json_object_set_new(one, "hint", word(line.hint));
		json_array_append_new(list, one);
	}
	return list;
}
