#include "container/build.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/publish.h"
#include "container/template.h"
#include "store/imagedir.h"

struct build {
	const struct lxe_dirs *dirs;
	const char *name;
	char base[LXE_IMAGE_NAME_MAX + 1]; /* the template's */
	char template[PATH_MAX];
	struct lxe_strv words;
	const struct lxe_waiter *waiter;
};

static int is_template(const struct dirent *e)
{
	return lxe_starts_with(e->d_name, "lxc-");
}

static void hint_at_templates(const struct lxe_dirs *dirs, struct lxe_err *err)
{
	char path[PATH_MAX], names[160] = "";
	struct dirent **found;
	size_t used = 0;
	int n;

	if (lxe_format(path, sizeof(path), "%s/lxc-templates", dirs->data) < 0)
		return;
	n = scandir(path, &found, is_template, alphasort);
	for (int i = 0; i < n; i++) {
		const char *comma = used ? ", " : "", *name = found[i]->d_name + strlen("lxc-");

		if (lxe_format(names + used, sizeof(names) - used, "%s%s", comma, name) == 0)
			used += strlen(names + used);
		names[used] = '\0';
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	if (used)
		lxe_hint(err, "there are templates for %s", names);
	else
		lxe_hint(err, "'%s' holds no templates: install lxc-exec again", path);
}

/* debian:bookworm is made by the template lxc-debian. */
static int base_name(char *buf, size_t size, const char *name)
{
	return lxe_format(buf, size, "%.*s", (int)strcspn(name, ":"), name);
}

static int template_path(char *buf, size_t size, const struct lxe_dirs *dirs, const char *name)
{
	char base[LXE_IMAGE_NAME_MAX + 1];
	int r = base_name(base, sizeof(base), name);

	return r < 0 ? r : lxe_format(buf, size, "%s/lxc-templates/lxc-%s", dirs->data, base);
}

bool lxe_image_has_template(const struct lxe_dirs *dirs, const char *name)
{
	char path[PATH_MAX];

	return template_path(path, sizeof(path), dirs, name) == 0 && access(path, F_OK) == 0;
}

static int find_template(struct build *b, struct lxe_err *err)
{
	int r = template_path(b->template, sizeof(b->template), b->dirs, b->name);

	if (r == 0)
		r = base_name(b->base, sizeof(b->base), b->name);
	if (r < 0)
		return lxe_fail(err, r, "find template 'lxc-%s'", b->name);
	if (access(b->template, X_OK) == 0)
		return 0;
	r = lxe_fail(err, -errno, "find template 'lxc-%s'", b->base);
	hint_at_templates(b->dirs, err);
	return r;
}

/* The release is an option of the template, as in lxc-create -t debian -- --release=... */
static int gather_words(struct build *b, const struct lxe_strv *words)
{
	const char *colon = strchr(b->name, ':');
	char release[LXE_IMAGE_NAME_MAX + 16];
	int r = 0;

	if (colon) {
		r = lxe_format(release, sizeof(release), "--release=%s", colon + 1);
		if (r == 0)
			r = lxe_strv_add(&b->words, release);
	}
	for (size_t i = 0; r == 0 && words && i < words->n; i++)
		r = lxe_strv_add(&b->words, words->v[i]);
	return r;
}

static int fill(void *arg, const struct lxe_image_work *work, struct lxe_err *err)
{
	const struct build *b = arg;
	const struct lxe_template template = {
		.path = b->template,
		.lxcpath = work->path,
		.name = b->name,
		.argv = b->words.v,
		.dirs = b->dirs,
		.lock = work->images,
		.timeout_ms = LXE_IMAGE_FILL_MS,
		.waiter = b->waiter,
	};

	return lxe_template_run(&template, err);
}

int lxe_image_build(const struct lxe_dirs *dirs, const char *name, const struct lxe_strv *words,
	lxe_image_guard *replace, const struct lxe_waiter *waiter, struct lxe_err *err)
{
	struct build b = { .dirs = dirs, .name = name, .waiter = waiter };
	const struct lxe_image_order order = {
		.dirs = dirs,
		.name = name,
		.template = b.base,
		.host_trees = strcmp(name, "host") == 0,
		.guard = replace,
		.existing = replace ? LXE_IMAGE_REPLACE : LXE_IMAGE_LEAVE,
		.waiter = waiter,
		.fill = fill,
		.arg = &b,
	};
	int r;

	r = lxe_image_check_name(name, err);
	if (r < 0)
		return r;
	r = find_template(&b, err);
	if (r == 0 && (r = gather_words(&b, words)) < 0)
		lxe_fail(err, r, "gather the template's options");
	if (r == 0)
		r = lxe_image_make(&order, err);
	lxe_strv_release(&b.words);
	return r < 0 ? lxe_fail(err, r, "build image '%s'", name) : 0;
}
