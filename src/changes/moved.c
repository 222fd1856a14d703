#include "changes/moved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

/* What is looked through. */
struct where {
	struct lxe_moved *m;
	const struct lxe_cow_layer *layer;
	const struct lxe_record *rec;
};

/* What somebody has renamed in the source explains nothing: it may be that very file. */
static int add(const struct where *w, int fd, const struct stat *st)
{
	struct lxe_moved *m = w->m;
	struct lxe_change_side side;
	struct lxe_handle handle;
	int r;

	lxe_side_set(&side, st, NULL);
	if (!lxe_record_untouched(w->rec, w->layer, &side))
		return 0;
	r = lxe_handle_of(&handle, fd);
	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	if ((m->n & (m->n - 1)) == 0) {
		size_t room = m->n ? 2 * m->n : 1;
		struct lxe_handle *grown = realloc(m->v, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->v = grown;
	}
	m->v[m->n++] = handle;
	return 0;
}

static int add_tree(const struct where *w, const char *path, unsigned int depth);

static int add_path(const struct where *w, const char *path, unsigned int depth)
{
	LXE_AUTOCLOSE int fd = lxe_layer_open(w->layer->lower, path, O_PATH);
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? add_tree(w, path, depth) : add(w, fd, &st);
}

static int add_tree(const struct where *w, const char *path, unsigned int depth)
{
	int r = depth > LXE_CHANGES_DEPTH_MAX ? -ELOOP : 0;
	SYS_AUTODIR DIR *dir = r < 0 ? NULL : lxe_layer_read_dir(w->layer->lower, path, &r);
	char child[LXE_CHANGES_PATH_MAX + 256];
	const struct dirent *e;

	while ((e = sys_dir_next(dir, &r))) {
		r = lxe_format(child, sizeof(child), "%s/%s", path, e->d_name);
		if (r == 0)
			r = add_path(w, child, depth + 1);
	}
	return r;
}

static int by_handle(const void *a, const void *b)
{
	return lxe_handle_compare(a, b);
}

static int fill(struct lxe_moved *m, const struct lxe_changes *c, const struct lxe_record *rec)
{
	const struct where w = { m, &c->layer, rec };
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++)
		if (c->v[i].before.mode &&
			!(S_ISDIR(c->v[i].before.mode) && S_ISDIR(c->v[i].after.mode)))
			r = add_path(&w, c->v[i].path, 0);
	if (r == 0 && m->n > 1)
		qsort(m->v, m->n, sizeof(*m->v), by_handle);
	m->filled = r == 0;
	return r;
}

/* Has nobody taken a name away from the directory that it is in? */
static bool nothing_was_taken(
	const struct lxe_changes *c, const struct lxe_record *rec, const char *path)
{
	char dir[LXE_CHANGES_PATH_MAX + 256] = ".";
	const char *slash = strrchr(path, '/');
	struct lxe_change_side side;
	struct stat st;

	if (slash)
		lxe_format(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	/* Of a directory that is not there it is told by that one. */
	if (lxe_layer_stat(c->layer.lower, dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return true;
	lxe_side_set(&side, &st, NULL);
	return lxe_record_untouched(rec, &c->layer, &side);
}

int lxe_moved_from_elsewhere(struct lxe_moved *moved, const struct lxe_changes *c,
	const struct lxe_record *rec, const struct lxe_change *change)
{
	bool opens = S_ISREG(change->after.mode) || S_ISDIR(change->after.mode);
	LXE_AUTOCLOSE int fd = lxe_layer_open(
		c->layer.upper, change->path, opens ? O_RDONLY | O_NONBLOCK : O_PATH);
	struct lxe_handle origin;
	int r = fd < 0 ? lxe_layer_gone(fd) : lxe_origin(&origin, fd, c->layer.userxattr);

	if (r == 0 || (r < 0 && r != -EOPNOTSUPP))
		return r == 0 ? 1 : r;
	/* A directory that is in both layers is never renamed: redirect_dir is off. */
	if (S_ISDIR(change->after.mode))
		return 0;
	if (nothing_was_taken(c, rec, change->path))
		return 1;
	if (r < 0)
		return 0;
	if (!moved->filled && (r = fill(moved, c, rec)) < 0)
		return r;
	return moved->n && bsearch(&origin, moved->v, moved->n, sizeof(*moved->v), by_handle) ? 1
											      : 0;
}

void lxe_moved_release(struct lxe_moved *moved)
{
	free(moved->v);
	*moved = (struct lxe_moved){ 0 };
}
