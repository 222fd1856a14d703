#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/compare.h"

#define TRIES 16

/* Directories still to be looked at, deepest first; the paths are relative to both layers. */
struct pending {
	char *path;
	struct lxe_change_side before, after;
	bool hidden; /* below an opaque one: nothing of the lower layer is seen in it either */
};

struct scan {
	struct lxe_changes *c;
	struct pending *v;
	size_t n, room;
};

/* The directory that is being looked at. */
struct place {
	const char *path;
	DIR *upper;
	int lower;    /* or -EBADF */
	bool opaque;  /* what the lower one has and the upper has not is deleted */
	bool markers; /* a whiteout may be a file with an attribute (Linux 6.7) */
};

static int fail_at(struct lxe_err *err, int r, const struct scan *s, const char *path)
{
	char shown[400];

	lxe_excerpt(shown, sizeof(shown), path, strlen(path));
	return lxe_fail(err, r, "look at '%s' in what is written over %s", shown,
		*s->c->layer.where ? s->c->layer.where : "the source");
}

static int join(char *buf, size_t size, const char *dir, const char *name)
{
	int r = strcmp(dir, ".") == 0 ? lxe_format(buf, size, "%s", name)
				      : lxe_format(buf, size, "%s/%s", dir, name);

	return r < 0 || strlen(buf) > LXE_CHANGES_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int push(struct scan *s, const char *path, const struct lxe_change_side *before,
	const struct lxe_change_side *after, bool hidden)
{
	size_t depth = 0;

	for (const char *p = path; *p; p++)
		depth += *p == '/';
	if (depth >= LXE_CHANGES_DEPTH_MAX)
		return -ELOOP;
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct pending *grown = realloc(s->v, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->v = grown;
		s->room = room;
	}
	s->v[s->n] = (struct pending){ .path = strdup(path), .after = *after, .hidden = hidden };
	if (!s->v[s->n].path)
		return -ENOMEM;
	if (before)
		s->v[s->n].before = *before;
	s->n++;
	return 0;
}

static bool is_marker(const struct scan *s, const struct place *p, const char *name)
{
	LXE_AUTOCLOSE int fd = lxe_layer_open_file(dirfd(p->upper), name);

	return fd >= 0 && lxe_overlay_xattr(fd, s->c->layer.userxattr, "whiteout", NULL, 0) >= 0;
}

static bool is_whiteout(
	const struct scan *s, const struct place *p, const char *name, const struct stat *st)
{
	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(0, 0);
	return p->markers && S_ISREG(st->st_mode) && st->st_size == 0 && is_marker(s, p, name);
}

static int keep(struct scan *s, const struct lxe_change *change, const char *path)
{
	struct lxe_change *added;
	char *copy;

	/* Another name of it may be a change. */
	if (change->kind == LXE_CHANGE_NONE && !S_ISDIR(change->after.mode) &&
		change->after.nlink < 2)
		return 0;
	added = lxe_changes_add(s->c, path);
	if (!added)
		return -ENOMEM;
	copy = added->path;
	*added = *change;
	added->path = copy;
	added->selected = true;
	return 0;
}

static int look(struct scan *s, const struct place *p, const char *name)
{
	struct lxe_change change = { 0 };
	struct lxe_pair pair = { p->lower, dirfd(p->upper), name, &s->c->layer };
	char path[LXE_CHANGES_PATH_MAX + 256];
	struct stat up, low = { 0 };
	int r = join(path, sizeof(path), p->path, name);

	if (r < 0)
		return r;
	if (fstatat(pair.upper, name, &up, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (p->lower >= 0 && fstatat(p->lower, name, &low, AT_SYMLINK_NOFOLLOW) < 0 &&
		errno != ENOENT)
		return -errno;
	if (low.st_mode)
		lxe_side_set(&change.before, &low, NULL);
	if (!is_whiteout(s, p, name, &up))
		lxe_side_set(&change.after, &up, &s->c->layer.ids);
	else if (!low.st_mode)
		return 0;
	if (S_ISDIR(change.after.mode))
		return push(s, path, low.st_mode ? &change.before : NULL, &change.after, p->opaque);
	r = lxe_compare(&pair, &change);
	return r < 0 ? r : keep(s, &change, path);
}

/* Of one that runs, and is not frozen, a file may be another or gone between two looks at it. */
static int visit(struct scan *s, const struct place *p, const char *name)
{
	int r = -ESTALE;

	for (int tries = 0; tries < TRIES && (r == -ENOENT || r == -ESTALE); tries++)
		r = look(s, p, name);
	return r;
}

/* What an opaque directory hides of the lower one. */
static int visit_hidden(struct scan *s, const struct place *p, const char *name)
{
	struct lxe_change change = { .kind = LXE_CHANGE_DELETED };
	char path[LXE_CHANGES_PATH_MAX + 256];
	struct stat st;
	int r = join(path, sizeof(path), p->path, name);

	if (r < 0)
		return r;
	if (faccessat(dirfd(p->upper), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (fstatat(p->lower, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	lxe_side_set(&change.before, &st, NULL);
	return keep(s, &change, path);
}

typedef int (*entry_fn)(struct scan *s, const struct place *p, const char *name);

static int each_entry(struct scan *s, const struct place *p, DIR *dir, entry_fn fn)
{
	const struct dirent *e;
	int r = 0;

	while ((e = sys_dir_next(dir, &r)))
		r = fn(s, p, e->d_name);
	return r;
}

static int each_hidden(struct scan *s, const struct place *p)
{
	int r = 0;
	SYS_AUTODIR DIR *dir = lxe_layer_read_dir(s->c->layer.lower, p->path, &r);

	return r < 0 ? r : each_entry(s, p, dir, visit_hidden);
}

static int add_dir(struct scan *s, const struct pending *d, const struct place *p)
{
	struct lxe_change change = {
		.kind = d->before.mode ? LXE_CHANGE_TYPE : LXE_CHANGE_ADDED,
		.before = d->before,
		.after = d->after,
		.opaque = p->opaque,
	};
	int r;

	if (p->lower >= 0) {
		r = lxe_compare_dirs(p->lower, dirfd(p->upper), &s->c->layer, &change);
		if (r < 0)
			return r;
	}
	return keep(s, &change, d->path);
}

static int walk_dir(struct scan *s, const struct pending *d)
{
	struct place p = { .path = d->path, .lower = -EBADF };
	LXE_AUTOCLOSE int lower = -EBADF;
	char opaque = 0;
	int r = 0;

	if (S_ISDIR(d->before.mode)) {
		lower = lxe_layer_open(s->c->layer.lower, d->path, O_RDONLY | O_DIRECTORY);
		if (lower < 0)
			return lower;
	}
	p.lower = lower;
	p.upper = lxe_layer_read_dir(s->c->layer.upper, d->path, &r);
	if (!p.upper)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	if (lxe_overlay_xattr(dirfd(p.upper), s->c->layer.userxattr, "opaque", &opaque, 1) < 0)
		opaque = 0;
	p.opaque = d->hidden || opaque == 'y';
	p.markers = opaque == 'x';
	r = add_dir(s, d, &p);
	if (r == 0)
		r = each_entry(s, &p, p.upper, visit);
	if (r == 0 && p.opaque && lower >= 0)
		r = each_hidden(s, &p);
	closedir(p.upper);
	return r;
}

static int walk(struct scan *s, struct lxe_err *err)
{
	struct lxe_change_side before, after;
	struct stat low, up;
	int r;

	if (fstat(s->c->layer.lower, &low) < 0 || fstat(s->c->layer.upper, &up) < 0)
		return fail_at(err, -errno, s, ".");
	lxe_side_set(&before, &low, NULL);
	lxe_side_set(&after, &up, &s->c->layer.ids);
	r = push(s, ".", &before, &after, false);
	if (r < 0)
		return fail_at(err, r, s, ".");
	while (s->n > 0) {
		struct pending d = s->v[--s->n];

		r = walk_dir(s, &d);
		if (r < 0)
			fail_at(err, r, s, d.path);
		free(d.path);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Seen of the lower one, or of the upper one where both are in one file system. */
static bool is_fine(const struct lxe_changes *c)
{
	struct stat low, up;

	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].before.mode && c->v[i].before.changed.tv_nsec)
			return true;
	return c->layer.since.tv_nsec && fstat(c->layer.lower, &low) == 0 &&
	       fstat(c->layer.upper, &up) == 0 && low.st_dev == up.st_dev;
}

int lxe_changes_scan(
	struct lxe_changes *ret, const struct lxe_cow_layer *layer, struct lxe_err *err)
{
	struct lxe_changes c = { .layer = *layer };
	struct scan s = { .c = &c };
	int r = walk(&s, err);

	while (s.n > 0)
		free(s.v[--s.n].path);
	free(s.v);
	if (r == 0) {
		c.layer.fine = is_fine(&c);
		lxe_changes_sort(&c);
		r = lxe_changes_link(&c);
		if (r < 0)
			lxe_fail(err, r, "look at hard links");
	}
	if (r < 0) {
		lxe_changes_release(&c);
		return r;
	}
	*ret = c;
	return 0;
}
