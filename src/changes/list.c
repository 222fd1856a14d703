#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/layer.h"

struct lxe_change *lxe_changes_add(struct lxe_changes *c, const char *path)
{
	struct lxe_change *added;
	char *copy;

	/* Full at the powers of two. */
	if ((c->n & (c->n - 1)) == 0) {
		size_t room = c->n ? 2 * c->n : 1;
		struct lxe_change *grown = realloc(c->v, room * sizeof(*grown));

		if (!grown)
			return NULL;
		c->v = grown;
	}
	copy = strdup(path);
	if (!copy)
		return NULL;
	added = &c->v[c->n++];
	*added = (struct lxe_change){ .path = copy, .selected = true };
	return added;
}

static int by_path(const void *a, const void *b)
{
	return lxe_path_compare(
		((const struct lxe_change *)a)->path, ((const struct lxe_change *)b)->path);
}

void lxe_changes_sort(struct lxe_changes *c)
{
	if (c->n > 1)
		qsort(c->v, c->n, sizeof(*c->v), by_path);
}

struct lxe_change *lxe_changes_find(const struct lxe_changes *c, const char *path)
{
	struct lxe_change key = { .path = (char *)path };

	return c->n ? bsearch(&key, c->v, c->n, sizeof(*c->v), by_path) : NULL;
}

struct lxe_change *lxe_changes_new_above(const struct lxe_changes *c, const char *path)
{
	char above[LXE_CHANGES_PATH_MAX + 256];
	char *slash;

	if (lxe_format(above, sizeof(above), "%s", path) < 0)
		return NULL;
	while ((slash = strrchr(above, '/')) != NULL) {
		struct lxe_change *found;

		*slash = '\0';
		found = lxe_changes_find(c, above);
		if (found && lxe_change_is_new(found))
			return found;
	}
	return NULL;
}

void lxe_changes_release(struct lxe_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].path);
		free(c->v[i].culprit);
	}
	free(c->v);
	*c = (struct lxe_changes){ 0 };
}

size_t lxe_changes_count(const struct lxe_changes *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->v[i].kind != LXE_CHANGE_NONE;
	return n;
}

/* Directories that are new have to be made first. */
static void select_above(struct lxe_changes *c, const char *path)
{
	struct lxe_change *above;

	while ((above = lxe_changes_new_above(c, path)) != NULL && !above->selected) {
		above->selected = true;
		path = above->path;
	}
}

static int select_one(struct lxe_changes *c, const char *path, struct lxe_err *err)
{
	char shown[512];
	size_t found = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!lxe_path_below(c->v[i].path, path))
			continue;
		c->v[i].selected = true;
		found += c->v[i].kind != LXE_CHANGE_NONE;
		select_above(c, c->v[i].path);
	}
	if (found || strcmp(path, ".") == 0)
		return 0;
	lxe_excerpt(shown, sizeof(shown), path, strlen(path));
	lxe_fail_msg(err, -ENOENT, "nothing has changed at '%s'", shown);
	lxe_hint(err, "lxc-exec diff lists what has changed");
	return -ENOENT;
}

int lxe_changes_select(
	struct lxe_changes *c, const char *const *paths, size_t n, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; i < c->n; i++)
		c->v[i].selected = false;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = select_one(c, paths[i], err);
	return r;
}
