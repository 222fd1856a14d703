#include "client/cow_paths.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/str.h"
#include "sys/mountinfo.h"

static char *absolute(const char *base, const char *text)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", text[0] == '/' ? "" : base, text) < 0)
		return NULL;
	lxe_path_normalize(path);
	return path;
}

/* A candidate for the longest: `rest` is that of a path below a directory, or NULL. */
static void offer(const char *rest, size_t len, const char **best, size_t *best_len)
{
	if (rest && (!*best || len > *best_len)) {
		*best = rest;
		*best_len = len;
	}
}

/* Which layer the path is in; *rest is what of it is below the layer's top. SIZE_MAX: in none. */
static size_t find(const struct lxe_cow_layers *layers, const char *path, const char **rest)
{
	const char *best = NULL;
	size_t best_len = 0, found = SIZE_MAX;

	for (size_t i = 0; i < layers->n; i++) {
		const struct lxe_cow_one *one = &layers->v[i];
		const char *const tops[] = { one->mount->src, one->real, one->mount->dst };
		const char *before = best;

		for (size_t t = 0; t < 3; t++)
			if (tops[t])
				offer(sys_path_below(path, tops[t]), strlen(tops[t]), &best,
					&best_len);
		if (best != before)
			found = i;
	}
	*rest = best;
	return found;
}

/* The path below the top of the layer that it is in: allocated, or NULL with *layer SIZE_MAX, or without memory. */
static char *resolve(const struct lxe_cow_layers *layers, const char *text, size_t *layer)
{
	LXE_AUTOFREE char *cwd = getcwd(NULL, 0);
	LXE_AUTOFREE char *path = absolute(cwd ? cwd : "", text);
	const char *rest = NULL;

	*layer = path ? find(layers, path, &rest) : 0;
	if (path && *layer == SIZE_MAX && text[0] != '/') {
		free(path);
		path = absolute("", text);
		rest = path;
		*layer = 0;
	}
	if (!rest)
		return NULL;
	return strdup(rest[0] && rest[1] ? rest + 1 : ".");
}

int lxe_cow_select(struct lxe_changes *c, const struct lxe_cow_layers *layers, size_t n,
	const struct lxe_cow_how *how, struct lxe_err *err)
{
	struct lxe_strv chosen = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < how->n_paths; i++) {
		size_t layer = SIZE_MAX;
		char *path = resolve(layers, how->paths[i], &layer);

		if (!how->paths[i][0]) {
			lxe_hint(err, "without a path it is about all that has changed");
			r = lxe_fail_msg(err, -EINVAL, "a path is empty");
		} else if (layer == SIZE_MAX) {
			lxe_hint(err, "a path of the host, or as it is seen inside");
			r = lxe_fail_msg(
				err, -ENOENT, "'%s' is in no copy-on-write bind", how->paths[i]);
		} else if (!path) {
			r = lxe_fail(err, -ENOMEM, "find '%s'", how->paths[i]);
		} else if (layer == n) {
			r = lxe_strv_add(&chosen, path);
		}
		free(path);
	}
	if (r == 0)
		r = lxe_changes_select(c, (const char *const *)chosen.v, chosen.n, err);
	lxe_strv_release(&chosen);
	return r;
}
