#include "policy/recipe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/ini.h"
#include "policy/mounts.h"
#include "store/imagedir.h"

struct reading {
	struct lxe_recipe *recipe;
	const char *name, *directory;
	const struct lxe_ini_item *item;
	struct lxe_err *err;
};

void lxe_recipe_release(struct lxe_recipe *recipe)
{
	for (size_t i = 0; i < recipe->n; i++) {
		free(recipe->v[i].label);
		free(recipe->v[i].text);
		free(recipe->v[i].src);
		free(recipe->v[i].dst);
	}
	free(recipe->v);
	free(recipe->from);
	lxe_strv_release(&recipe->env);
	*recipe = (struct lxe_recipe){ 0 };
}

static int bad(const struct reading *r, const char *what, const char *word)
{
	return lxe_fail_msg(r->err, -EINVAL, "%s:%u: %s '%s'", r->name, r->item->line, what, word);
}

static int at_line(const struct reading *r, int code)
{
	return code < 0 ? lxe_fail(r->err, code, "%s:%u", r->name, r->item->line) : 0;
}

static int read_image(struct reading *r)
{
	if (strcmp(r->item->key, "from") != 0) {
		lxe_hint(r->err, "[image] has one key: from = IMAGE");
		return bad(r, "there is no key", r->item->key);
	}
	if (lxe_image_check_name(r->item->value, r->err) < 0)
		return at_line(r, -EINVAL);
	return at_line(r, lxe_str_set(&r->recipe->from, r->item->value));
}

static int read_env(struct reading *r)
{
	LXE_AUTOFREE char *pair = NULL;
	const char *key = r->item->key;

	if (strchr(key, '-') || (key[0] >= '0' && key[0] <= '9'))
		return bad(r, "this is no name of a variable:", key);
	if (asprintf(&pair, "%s=%s", key, r->item->value) < 0) {
		pair = NULL;
		return at_line(r, -ENOMEM);
	}
	return at_line(r, lxe_strv_add(&r->recipe->env, pair));
}

/* As --file has it, but from where the recipe lies. */
static int read_copy(struct reading *r, struct lxe_step *step)
{
	LXE_AUTOFREE char *text = NULL;
	char where[2 * 4096], *to = where;
	struct lxe_mount m = { 0 };
	int code;

	if (strlen(r->directory) >= sizeof(where) / 2)
		return at_line(r, -ENAMETOOLONG);
	for (const char *from = r->directory; *from; from++) {
		if (*from == ':' || *from == '\\')
			*to++ = '\\';
		*to++ = *from;
	}
	*to = '\0';
	if (r->item->value[0] == '/')
		where[0] = '\0';
	if (asprintf(&text, "%s%s%s", where, where[0] ? "/" : "", r->item->value) < 0) {
		text = NULL;
		return at_line(r, -ENOMEM);
	}
	code = lxe_mount_parse(&m, LXE_MOUNT_FILE, text, r->err);
	if (code < 0)
		return at_line(r, code);
	step->src = take_ptr(m.src);
	step->dst = take_ptr(m.dst);
	step->mode = m.mode;
	return 0;
}

/* "run", "run-7", "run-tests". */
static bool is_called(const char *key, const char *verb)
{
	size_t len = strlen(verb);

	return strncmp(key, verb, len) == 0 && (!key[len] || (key[len] == '-' && key[len + 1]));
}

static int read_step(struct reading *r)
{
	struct lxe_recipe *recipe = r->recipe;
	struct lxe_step *step, *more;
	bool run = is_called(r->item->key, "run");

	if (!run && !is_called(r->item->key, "copy")) {
		lxe_hint(r->err,
			"a step is run or copy, perhaps with a label: run-tests = make check");
		return bad(r, "there is no step", r->item->key);
	}
	if (!*r->item->value)
		return bad(r, "there is no value for", r->item->key);
	more = reallocarray(recipe->v, recipe->n + 1, sizeof(*more));
	if (!more)
		return at_line(r, -ENOMEM);
	recipe->v = more;
	step = &more[recipe->n++];
	*step = (struct lxe_step){ .kind = run ? LXE_STEP_RUN : LXE_STEP_COPY,
		.line = r->item->line };
	if (lxe_str_set(&step->label, r->item->key) < 0)
		return at_line(r, -ENOMEM);
	return run ? at_line(r, lxe_str_set(&step->text, r->item->value)) : read_copy(r, step);
}

static int read_item(struct reading *r)
{
	static const struct {
		const char *section;
		int (*read)(struct reading *r);
	} sections[] = {
		{ "image", read_image },
		{ "env", read_env },
		{ "steps", read_step },
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (strcmp(r->item->section, sections[i].section) == 0)
			return r->item->key ? sections[i].read(r) : 0;
	lxe_hint(r->err, "a recipe has the sections [image], [env] and [steps]");
	return bad(r, "there is no section", r->item->section);
}

int lxe_recipe_parse(struct lxe_recipe *ret, const char *name, const char *directory,
	const char *text, size_t len, struct lxe_err *err)
{
	struct reading reading = { ret, name, directory, NULL, err };
	struct lxe_ini ini;
	int r;

	*ret = (struct lxe_recipe){ 0 };
	r = lxe_ini_scan(&ini, name, text, len, err);
	for (size_t i = 0; r == 0 && i < ini.n; i++) {
		reading.item = &ini.items[i];
		r = read_item(&reading);
	}
	if (r == 0 && ini.n)
		r = lxe_ini_agree(&ini, name, text, len, err);
	lxe_ini_release(&ini);
	if (r == 0 && !ret->from) {
		lxe_hint(err, "[image] and below it from = IMAGE; lxc-exec image ls lists them");
		r = lxe_fail_msg(err, -EINVAL, "%s: it does not say from which image", name);
	}
	return r;
}
