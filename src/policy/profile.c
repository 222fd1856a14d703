#include "policy/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "policy/ini.h"
#include "policy/nearest.h"
#include "policy/options.h"

struct context {
	struct lxe_request *req;
	const char *path;
	struct lxe_err *err;
};

static int bad_item(
	struct context *c, const struct lxe_ini_item *item, const char *what, const char *word)
{
	return lxe_fail_msg(c->err, -EINVAL, "%s:%u: %s '%s'", c->path, item->line, what, word);
}

static const struct lxe_option *find(const char *name, enum lxe_in_profile kind)
{
	const struct lxe_option *o = lxe_option_find(name, strlen(name), 0);

	return o && (o->in_profile == kind || o->in_profile == LXE_PROFILE_BOTH) ? o : NULL;
}

static int unknown_section(struct context *c, const struct lxe_ini_item *item)
{
	lxe_hint(c->err, "options stand in [run], environment variables in [env]");
	return bad_item(c, item, "there is no section", item->section);
}

static int unknown_key(struct context *c, const struct lxe_ini_item *item)
{
	const struct lxe_option *any = lxe_option_find(item->key, strlen(item->key), 0);
	struct lxe_nearest near = { 0 };

	if (any && any->in_profile == LXE_PROFILE_NO) {
		lxe_hint(c->err, "it is given on the command line only");
		return bad_item(c, item, "a profile cannot set", item->key);
	}
	if (any)
		lxe_hint(c->err, "it has a section of its own: [%s]", any->name);
	for (const struct lxe_option *o = lxe_options(); o->name; o++)
		if (o->in_profile == LXE_PROFILE_KEY)
			lxe_nearest_offer(&near, item->key, strlen(item->key), o->name);
	if (near.best)
		lxe_hint(c->err, "did you mean '%s'?", near.best);
	lxe_hint(c->err, "lxc-exec.conf(5) lists the keys");
	return bad_item(c, item, "there is no key", item->key);
}

static int apply_key(struct context *c, const struct lxe_ini_item *item)
{
	const struct lxe_option *o = find(item->key, LXE_PROFILE_KEY);
	lxe_setter *set;
	int r;

	if (!o)
		return unknown_key(c, item);
	if (!*item->value)
		return bad_item(c, item, "there is no value for", item->key);
	set = o->set_in_profile ? o->set_in_profile : o->set;
	r = set(c->req, o, item->key, item->value, c->err);
	return r < 0 ? lxe_fail(c->err, r, "%s:%u", c->path, item->line) : 0;
}

/* One item of a repeatable option: the option's own syntax is ITEM=VALUE. */
static int apply_listed(
	struct context *c, const struct lxe_option *o, const struct lxe_ini_item *item)
{
	LXE_AUTOFREE char *pair = NULL;
	int r;

	if (strchr(item->key, '-') || (item->key[0] >= '0' && item->key[0] <= '9'))
		return bad_item(c, item, "this is no name for an item:", item->key);
	if (asprintf(&pair, "%s=%s", item->key, item->value) < 0) {
		pair = NULL;
		return lxe_fail(c->err, -ENOMEM, "%s:%u", c->path, item->line);
	}
	r = (o->set_in_profile ? o->set_in_profile : o->set)(c->req, o, o->name, pair, c->err);
	return r < 0 ? lxe_fail(c->err, r, "%s:%u", c->path, item->line) : 0;
}

static int apply_item(struct context *c, const struct lxe_ini_item *item)
{
	const struct lxe_option *list = find(item->section, LXE_PROFILE_SECTION);

	if (!list && strcmp(item->section, "run") != 0)
		return unknown_section(c, item);
	if (!item->key)
		return 0;
	return list ? apply_listed(c, list, item) : apply_key(c, item);
}

int lxe_profile_base(const char *path, const char *text, size_t len, char **ret, unsigned int *line,
	struct lxe_err *err)
{
	struct lxe_ini ini;
	int r;

	r = lxe_ini_scan(&ini, path, text, len, err);
	for (size_t i = 0; r == 0 && i < ini.n; i++) {
		const struct lxe_ini_item *item = &ini.items[i];

		/* An empty value is left for lxe_profile_parse() to refuse. */
		if (!item->key || strcmp(item->section, "run") != 0 ||
			strcmp(item->key, "profile") != 0 || !*item->value)
			continue;
		*line = item->line;
		r = lxe_str_set(ret, item->value);
		r = r < 0 ? lxe_fail(err, r, "%s:%u", path, item->line) : 1;
	}
	lxe_ini_release(&ini);
	return r;
}

int lxe_profile_parse(struct lxe_request *req, const char *path, const char *text, size_t len,
	struct lxe_err *err)
{
	struct context c = { .req = req, .path = path, .err = err };
	struct lxe_ini ini;
	int r;

	lxe_request_next_source(req);
	r = lxe_ini_scan(&ini, path, text, len, err);
	for (size_t i = 0; r == 0 && i < ini.n; i++)
		r = apply_item(&c, &ini.items[i]);
	if (r == 0 && ini.n)
		r = lxe_ini_agree(&ini, path, text, len, err);
	lxe_ini_release(&ini);
	return r;
}
