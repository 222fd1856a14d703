#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/check.h"
#include "changes/moved.h"
#include "changes/origin.h"

/* The directories that led to the change before: neighbours share most of them. */
struct trail {
	char path[LXE_CHANGES_PATH_MAX + 256];
	size_t other; /* length of the first that is another one than the sandbox has seen; 0: none */
	size_t unknown; /* of the first that nothing tells about */
};

struct check {
	struct lxe_changes *c;
	struct lxe_record rec;
	struct lxe_moved moved;
	struct trail trail;
};

/* ---- directories above ---- */

enum identity { SAME, OTHER, UNKNOWN };

/* Is the directory that is there now the one over which the sandbox has written? */
static int identify(struct check *k, const char *path, enum identity *ret)
{
	const struct lxe_cow_layer *layer = &k->c->layer;
	LXE_AUTOCLOSE int upper = lxe_layer_open(layer->upper, path, O_RDONLY | O_DIRECTORY);
	LXE_AUTOCLOSE int lower = lxe_layer_open(layer->lower, path, O_RDONLY | O_DIRECTORY);
	struct lxe_handle origin, now;
	struct lxe_change_side side;
	struct stat st;
	int r;

	/* Not a directory in both: what is in it is not compared with anything. */
	*ret = SAME;
	if (upper < 0 || lower < 0)
		return 0;
	if (fstat(lower, &st) < 0)
		return -errno;
	lxe_side_set(&side, &st, NULL);
	if (lxe_record_inode(&k->rec, path) == side.ino)
		return 0;
	r = lxe_origin(&origin, upper, layer->userxattr);
	if (r < 0 && r != -EOPNOTSUPP)
		return r;
	if (r > 0) {
		r = lxe_handle_of(&now, lower);
		if (r == 0)
			*ret = lxe_handle_compare(&origin, &now) == 0 ? SAME : OTHER;
		if (r != -EOPNOTSUPP)
			return r;
	}
	if (lxe_later(side.changed, layer->since))
		*ret = UNKNOWN;
	return 0;
}

/* The longest directory above `path` that is on the trail already. */
static size_t shared(const struct trail *t, const char *path)
{
	size_t same = 0;

	for (size_t i = 0; path[i]; i++)
		if (path[i] == '/' && strncmp(path, t->path, i) == 0 &&
			(t->path[i] == '/' || t->path[i] == '\0'))
			same = i;
	return same;
}

static int step(struct check *k, size_t end)
{
	struct trail *t = &k->trail;
	enum identity identity;
	int r = identify(k, t->path, &identity);

	if (r < 0)
		return r;
	if (identity == OTHER && !t->other)
		t->other = end;
	if (identity == UNKNOWN && !t->unknown)
		t->unknown = end;
	return 0;
}

static int follow(struct check *k, const char *path)
{
	struct trail *t = &k->trail;
	size_t same = shared(t, path);
	int r = 0;

	t->other = t->other > same ? 0 : t->other;
	t->unknown = t->unknown > same ? 0 : t->unknown;
	t->path[same] = '\0';
	for (size_t i = same + 1; r == 0 && same < strlen(path) && path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(t->path, path, i);
		t->path[i] = '\0';
		r = step(k, i);
	}
	return r;
}

/* ---- what is deleted ---- */

static int look_into(
	struct check *k, struct lxe_change *change, const char *path, unsigned int depth);

static int blame(struct lxe_change *change, enum lxe_conflict conflict, const char *path)
{
	change->conflict = conflict;
	if (!path || strcmp(path, change->path) == 0)
		return 0;
	return lxe_str_set(&change->culprit, path);
}

static int look_at(struct check *k, struct lxe_change *change, int at, const char *dir,
	const char *name, unsigned int depth)
{
	char path[LXE_CHANGES_PATH_MAX + 256];
	struct lxe_change_side side;
	struct stat st;
	int r = lxe_format(path, sizeof(path), "%s/%s", dir, name);

	if (r < 0)
		return r;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	lxe_side_set(&side, &st, NULL);
	if (!lxe_record_untouched(&k->rec, &k->c->layer, &side))
		return blame(change, LXE_CONFLICT_CHANGED, path);
	return S_ISDIR(st.st_mode) ? look_into(k, change, path, depth + 1) : 0;
}

/* All of a tree that is to go must be as it was. */
static int look_into(
	struct check *k, struct lxe_change *change, const char *path, unsigned int depth)
{
	int r = depth > LXE_CHANGES_DEPTH_MAX ? -ELOOP : 0;
	SYS_AUTODIR DIR *dir = r < 0 ? NULL : lxe_layer_read_dir(k->c->layer.lower, path, &r);
	const struct dirent *e;

	while (!change->conflict && (e = sys_dir_next(dir, &r)))
		r = look_at(k, change, dirfd(dir), path, e->d_name, depth);
	return r;
}

/* ---- one change ---- */

static int check_there(struct check *k, struct lxe_change *change)
{
	bool goes = S_ISDIR(change->before.mode) && change->kind != LXE_CHANGE_META;
	int r;

	if (!lxe_record_untouched(&k->rec, &k->c->layer, &change->before))
		return blame(change, LXE_CONFLICT_CHANGED, NULL);
	r = goes ? look_into(k, change, change->path, 0) : 0;
	return r == -ENOENT || r == -ENOTDIR ? blame(change, LXE_CONFLICT_CHANGED, NULL) : r;
}

/* Something that was copied up and is not below any more: did the sandbox move it here, or was it taken away there? */
static int check_added(struct check *k, struct lxe_change *change)
{
	int r;

	if (lxe_record_inode(&k->rec, change->path))
		return blame(change, LXE_CONFLICT_GONE, NULL);
	r = lxe_moved_from_elsewhere(&k->moved, k->c, &k->rec, change);
	if (r == 0)
		return blame(change, LXE_CONFLICT_GONE, NULL);
	return r < 0 ? r : 0;
}

static int check_one(struct check *k, struct lxe_change *change)
{
	const struct trail *t = &k->trail;
	char path[LXE_CHANGES_PATH_MAX + 256];
	size_t other;
	int r = follow(k, change->path);

	if (r < 0)
		return r;
	/* What was not there can be added to a directory of which nothing is known. */
	other = t->other ? t->other : (change->before.mode ? t->unknown : 0);
	if (other) {
		lxe_format(path, sizeof(path), "%.*s", (int)other, change->path);
		return blame(change, LXE_CONFLICT_REPLACED, path);
	}
	return change->before.mode ? check_there(k, change) : check_added(k, change);
}

static int fail_at(struct lxe_err *err, int r, const struct lxe_change *change)
{
	char shown[400];

	lxe_excerpt(shown, sizeof(shown), change->path, strlen(change->path));
	return lxe_fail(err, r, "look whether '%s' has changed in the source", shown);
}

int lxe_changes_check_with(
	struct lxe_changes *c, struct lxe_record *rec, size_t *ret_conflicts, struct lxe_err *err)
{
	struct check k = { .c = c, .rec = *rec };
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		struct lxe_change *change = &c->v[i];

		change->conflict = LXE_CONFLICT_NONE;
		lxe_str_set(&change->culprit, NULL);
		if (!change->selected || change->kind == LXE_CHANGE_NONE || change->skipped)
			continue;
		r = check_one(&k, change);
		if (r < 0)
			fail_at(err, r, change);
		n += change->conflict != LXE_CONFLICT_NONE;
	}
	lxe_moved_release(&k.moved);
	if (r == 0)
		*ret_conflicts = n;
	return r;
}

int lxe_changes_check(struct lxe_changes *c, size_t *ret_conflicts, struct lxe_err *err)
{
	struct lxe_record rec = { 0 };
	int r = lxe_commits_read(&rec, c->layer.record);

	if (r < 0)
		return lxe_fail(err, r, "read what earlier commits have done");
	r = lxe_changes_check_with(c, &rec, ret_conflicts, err);
	lxe_commits_release(&rec);
	return r;
}
