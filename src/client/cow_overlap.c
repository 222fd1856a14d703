#include "client/cow_overlap.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "changes/layer.h"
#include "sys/mountinfo.h"

/* Two binds: `rest` is where the inner one's source is in that of the outer one, "" if they are the same. */
struct pair {
	const struct lxe_cow_one *outer, *inner;
	const struct lxe_changes *above, *below; /* theirs */
	char rest[PATH_MAX];
	int to;
	uint64_t found;
};

static bool counts(const struct lxe_change *change)
{
	return change && change->selected && !change->skipped && change->kind != LXE_CHANGE_NONE;
}

/* Does it matter for what is `below` it? Attributes of a directory do for what is made or removed in it. */
static bool reaches(const struct lxe_change *change, bool direct)
{
	return counts(change) &&
	       (change->kind != LXE_CHANGE_META || !S_ISDIR(change->after.mode) || direct);
}

/* From a path to the one above it; the last is ".". */
static bool climb(char *at)
{
	char *slash = strrchr(at, '/');

	if (strcmp(at, ".") == 0)
		return false;
	if (slash)
		*slash = '\0';
	else
		memcpy(at, ".", sizeof("."));
	return true;
}

/* Is the path, or what it is in, changed in the other list as well? */
static bool is_in(const struct lxe_changes *other, const char *path, bool itself)
{
	char at[LXE_CHANGES_PATH_MAX + PATH_MAX];

	if (lxe_format(at, sizeof(at), "%s", path) < 0)
		return false;
	if (itself && counts(lxe_changes_find(other, at)))
		return true;
	for (bool direct = true; climb(at); direct = false)
		if (reaches(lxe_changes_find(other, at), direct))
			return true;
	return false;
}

static void tell(struct pair *p, const char *path)
{
	char shown[LXE_CHANGES_PATH_MAX], one[300], other[300];
	const char *inner = p->inner->mount->dst, *outer = p->outer->mount->dst;
	const char *src = p->outer->mount->src;
	bool top = strcmp(path, ".") == 0;
	char full[LXE_CHANGES_PATH_MAX + 2 * PATH_MAX];

	p->found++;
	if (p->to < 0 ||
		lxe_format(full, sizeof(full), "%s%s%s", src, top ? "" : "/", top ? "" : path) < 0)
		return;
	lxe_escape(shown, sizeof(shown), full, strlen(full));
	lxe_escape(one, sizeof(one), outer, strlen(outer));
	lxe_escape(other, sizeof(other), inner, strlen(inner));
	dprintf(p->to, "conflict: %s: it was changed in two binds, %s and %s\n", shown, one, other);
}

static void look_at_inner(struct pair *p)
{
	char path[LXE_CHANGES_PATH_MAX + PATH_MAX];

	for (size_t i = 0; i < p->below->n; i++) {
		const struct lxe_change *change = &p->below->v[i];
		bool top = strcmp(change->path, ".") == 0;
		int r = 0;

		if (!p->rest[0])
			r = lxe_format(path, sizeof(path), "%s", change->path);
		else
			r = lxe_format(path, sizeof(path), "%s%s%s", p->rest, top ? "" : "/",
				top ? "" : change->path);
		if (r == 0 && counts(change) && is_in(p->above, path, true))
			tell(p, path);
	}
}

static void look_at_outer(struct pair *p)
{
	size_t len = strlen(p->rest);

	for (size_t i = 0; i < p->above->n; i++) {
		const struct lxe_change *change = &p->above->v[i];
		const char *path = change->path;

		if (len && (strncmp(path, p->rest, len) != 0 || path[len] != '/'))
			continue;
		if (counts(change) && is_in(p->below, path + (len ? len + 1 : 0), false))
			tell(p, path);
	}
}

static const char *real_path(const struct lxe_cow_one *one)
{
	return one->real ? one->real : one->mount->src;
}

/* Also under another path, by a mount of the host's. */
static bool is_same(const struct lxe_cow_one *a, const struct lxe_cow_one *b)
{
	struct stat x, y;

	return fstat(a->layer.lower, &x) == 0 && fstat(b->layer.lower, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_below(struct pair *p)
{
	const char *rest = sys_path_below(real_path(p->inner), real_path(p->outer));

	if (is_same(p->outer, p->inner))
		rest = "";
	return rest && lxe_format(p->rest, sizeof(p->rest), "%s", rest + (*rest == '/')) == 0;
}

static uint64_t look(const struct lxe_cow_layers *layers, const struct lxe_changes *changes, int to)
{
	uint64_t found = 0;

	for (size_t i = 0; i < layers->n; i++) {
		for (size_t j = 0; j < layers->n; j++) {
			struct pair p = { &layers->v[i], &layers->v[j], &changes[i], &changes[j],
				.to = to };

			if (i == j || !p.above->n || !p.below->n || !is_below(&p) ||
				(!p.rest[0] && j < i))
				continue;
			look_at_inner(&p);
			look_at_outer(&p);
			found += p.found;
		}
	}
	return found;
}

int lxe_cow_check_overlaps(const struct lxe_cow_layers *layers, const struct lxe_changes *changes,
	int to, uint64_t *ret_conflicts, struct lxe_err *err)
{
	uint64_t found = look(layers, changes, to);

	*ret_conflicts = found;
	if (!found)
		return 0;
	lxe_hint(err, "commit what one of them has by its path inside: lxc-exec commit %s PATH",
		lxe_info_name(&layers->info));
	return lxe_fail_msg(err, -ESTALE,
		"commit: nothing was committed, because of %llu path%s that two copy-on-write binds "
		"of the same directory have changed",
		(unsigned long long)found, found == 1 ? "" : "s");
}
