#include "policy/ini.h"

#include <errno.h>
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"

static int silent(const char *fmt, ...)
{
	(void)fmt;
	return 0;
}

/*
 * iniparser reads files by name only: what it gets is a memory file with the very bytes that were
 * scanned, so that a file that changes meanwhile cannot be read in two versions.
 */
static dictionary *load(const char *text, size_t len)
{
	LXE_AUTOCLOSE int fd = sys_memfd("lxe-profile", 0);
	dictionary *dict;
	char path[64];

	if (fd < 0 || sys_write_all(fd, text, len) < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* For good: another thread may be reading, and what is set is always the same. */
	iniparser_set_error_callback(silent);
	dict = iniparser_load(path);
	return dict;
}

/* iniparser folds case, so of http_proxy and HTTP_PROXY it knows only the last one's value. */
static bool hidden(const struct lxe_ini *ini, size_t i)
{
	const struct lxe_ini_item *a = &ini->items[i], *b;

	for (size_t k = i + 1; k < ini->n; k++) {
		b = &ini->items[k];
		if (b->key && strcasecmp(a->key, b->key) == 0 &&
			strcmp(a->section, b->section) == 0)
			return true;
	}
	return false;
}

static bool agrees(const struct lxe_ini *ini, size_t i, const dictionary *dict)
{
	const struct lxe_ini_item *item = &ini->items[i];
	const char *value;
	char key[1024];

	if (!item->key)
		return true;
	if (lxe_format(key, sizeof(key), "%s:%s", item->section, item->key) < 0)
		return false;
	value = iniparser_getstring(dict, key, NULL);
	return value && (strcmp(value, item->value) == 0 || hidden(ini, i));
}

int lxe_ini_agree(const struct lxe_ini *ini, const char *name, const char *text, size_t len,
	struct lxe_err *err)
{
	dictionary *dict = load(text, len);
	int r = 0;

	if (!dict)
		return lxe_fail_msg(err, -EINVAL, "%s: iniparser cannot read this file", name);
	for (size_t i = 0; r == 0 && i < ini->n; i++) {
		if (agrees(ini, i, dict))
			continue;
		r = lxe_fail_msg(err, -EINVAL, "%s:%u: this line can be read in two ways", name,
			ini->items[i].line);
		lxe_hint(err, "put the value in quotes");
	}
	iniparser_freedict(dict);
	return r;
}
