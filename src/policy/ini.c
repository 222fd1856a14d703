#include "policy/ini.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* iniparser 4.1 reads lines into 1024 bytes. */
#define LINE_MAX_BYTES 1000

struct scanner {
	struct lxe_ini *ini;
	const char *name; /* of the file */
	const char *section;
	unsigned int line;
	struct lxe_err *err;
};

static int bad_line(struct scanner *s, const char *what, const char *hint)
{
	lxe_fail_msg(s->err, -EINVAL, "%s:%u: %s", s->name, s->line, what);
	if (hint)
		lxe_hint(s->err, "%s", hint);
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut blanks at both ends, in place. */
static char *trim(char *text)
{
	size_t len;

	while (is_blank(*text))
		text++;
	len = strlen(text);
	while (len && is_blank(text[len - 1]))
		text[--len] = '\0';
	return text;
}

static bool only(const char *text, bool (*allowed)(char c))
{
	for (const char *p = text; *p; p++)
		if (!allowed(*p))
			return false;
	return *text != '\0';
}

static bool in_section(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool in_key(char c)
{
	return in_section(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

static int add(struct scanner *s, const char *key, const char *value)
{
	struct lxe_ini *ini = s->ini;

	if (ini->n >= LXE_INI_ITEMS_MAX)
		return bad_line(s, "the file has too many entries", NULL);
	ini->items[ini->n++] = (struct lxe_ini_item){
		.section = s->section,
		.key = key,
		.value = value,
		.line = s->line,
	};
	return 0;
}

static int read_section(struct scanner *s, char *line)
{
	size_t len = strlen(line);

	if (line[len - 1] == ']') {
		line[len - 1] = '\0';
		if (only(line + 1, in_section)) {
			s->section = line + 1;
			return add(s, NULL, NULL);
		}
	}
	return bad_line(s, "this is not the name of a section", "a section is written [run]");
}

/* Take the quotes off, or say why the value cannot be read. */
static int read_value(struct scanner *s, char **value)
{
	char *text = *value, quote = text[0];
	size_t len = strlen(text);

	if (quote == '"' || quote == '\'') {
		if (len < 2 || strchr(text + 1, quote) != text + len - 1)
			return bad_line(s, "the quotes of the value do not match",
				"quote the value as a whole, and only once");
		text[len - 1] = '\0';
		*value = text + 1;
		return 0;
	}
	if (strpbrk(text, ";#"))
		return bad_line(s, "the value holds a ';' or '#'",
			"put it in quotes; a comment has a line of its own");
	return 0;
}

static int check_new(struct scanner *s, const char *key)
{
	char what[96];

	for (size_t i = 0; i < s->ini->n; i++) {
		const struct lxe_ini_item *item = &s->ini->items[i];

		if (!item->key || strcmp(item->key, key) != 0 ||
			strcmp(item->section, s->section) != 0)
			continue;
		snprintf(what, sizeof(what), "'%.48s' is there already, in line %u", key,
			item->line);
		return bad_line(s, what, NULL);
	}
	return 0;
}

static int read_entry(struct scanner *s, char *line)
{
	char *equals = strchr(line, '='), *key, *value;
	int r;

	if (!equals)
		return bad_line(s, "this is neither '[section]' nor 'key = value'", NULL);
	*equals = '\0';
	key = trim(line);
	value = trim(equals + 1);
	if (!only(key, in_key))
		return bad_line(s, "this is not the name of a key", NULL);
	if (!s->section)
		return bad_line(
			s, "this key stands before any section", "write its [section] above it");
	r = check_new(s, key);
	if (r == 0)
		r = read_value(s, &value);
	return r < 0 ? r : add(s, key, value);
}

static int check_bytes(struct scanner *s, const char *line, size_t len)
{
	if (len > LINE_MAX_BYTES)
		return bad_line(s, "the line is longer than 1000 bytes", NULL);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c == 0)
			return bad_line(s, "the line holds a NUL byte", "is this a text file?");
		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
			return bad_line(s, "the line holds a control character", NULL);
	}
	return 0;
}

static int read_line(struct scanner *s, char *line, size_t len)
{
	int r = check_bytes(s, line, len);

	if (r < 0)
		return r;
	line = trim(line);
	len = strlen(line);
	/* iniparser would join the next line to it, even to a comment. */
	if (len && line[len - 1] == '\\')
		return bad_line(s, "the line ends in a backslash", "a line cannot be continued");
	if (len == 0 || line[0] == '#' || line[0] == ';')
		return 0;
	return line[0] == '[' ? read_section(s, line) : read_entry(s, line);
}

int lxe_ini_scan(
	struct lxe_ini *ret, const char *name, const char *text, size_t len, struct lxe_err *err)
{
	struct scanner s = { .ini = ret, .name = name, .err = err };
	char *p, *end;
	int r = 0;

	*ret = (struct lxe_ini){ 0 };
	if (len > LXE_INI_SIZE_MAX)
		return lxe_fail_msg(err, -E2BIG, "%s: the file is larger than 1 MiB", name);
	ret->text = malloc(len + 1);
	ret->items = calloc(LXE_INI_ITEMS_MAX, sizeof(*ret->items));
	if (!ret->text || !ret->items)
		return lxe_fail(err, -ENOMEM, "read '%s'", name);
	if (len)
		memcpy(ret->text, text, len);
	ret->text[len] = '\0';

	end = ret->text + len;
	for (p = ret->text; r == 0 && p < end;) {
		char *newline = memchr(p, '\n', (size_t)(end - p));
		char *stop = newline ? newline : end;

		*stop = '\0';
		s.line++;
		r = read_line(&s, p, (size_t)(stop - p));
		p = stop + 1;
	}
	return r;
}

void lxe_ini_release(struct lxe_ini *ini)
{
	free(ini->text);
	free(ini->items);
	*ini = (struct lxe_ini){ 0 };
}
