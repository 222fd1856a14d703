#include "sys/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/dir.h"

#define DEEP_TRIES 1000 /* names for what is moved up */

struct walk {
	sys_tree_visit visit;
	void *arg;
	dev_t dev;
	int top;	    /* what is too deep is moved into it, if it is not negative */
	unsigned int moved; /* how often that was done */
};

static int walk_entry(struct walk *w, int at, const char *name, unsigned int depth);

/* Somebody else may have made the tree, and any name in it. */
static int move_up(struct walk *w, int at, const char *name)
{
	char up[32];

	for (unsigned int tries = 0; tries < DEEP_TRIES; tries++) {
		snprintf(up, sizeof(up), ".lxe-deep-%u", w->moved + tries);
		if (renameat2(at, name, w->top, up, RENAME_NOREPLACE) == 0) {
			w->moved += tries + 1;
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -ELOOP;
}

/* Goes on after a failure, so that as much as possible is done; reports the first. */
static int walk_children(struct walk *w, int at, const char *name, unsigned int depth)
{
	SYS_AUTODIR DIR *dir = NULL;
	const struct dirent *e;
	int first = 0, r = 0;

	if (depth >= SYS_TREE_DEPTH_MAX)
		return w->top >= 0 ? move_up(w, at, name) : -ELOOP;
	dir = sys_dir_read(sys_open_dir(at, name), &r);
	while ((e = sys_dir_next(dir, &r))) {
		int failed = walk_entry(w, dirfd(dir), e->d_name, depth + 1);

		if (failed < 0 && first == 0)
			first = failed;
	}
	return first < 0 ? first : r;
}

/* A bind mount of the same filesystem has the tree's own device number (statx(2), Linux 5.8). */
static bool is_mount_root(int at, const char *name)
{
	struct statx stx;

	if (statx(at, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &stx) < 0)
		return false;
	return stx.stx_attributes & stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT;
}

static int walk_entry(struct walk *w, int at, const char *name, unsigned int depth)
{
	struct stat st;
	int first = 0, r;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (st.st_dev != w->dev)
		return -EXDEV;
	if (S_ISDIR(st.st_mode) && depth > 0 && is_mount_root(at, name))
		return -EXDEV;
	if (S_ISDIR(st.st_mode))
		first = walk_children(w, at, name, depth);
	r = w->visit(w->arg, at, name, &st);
	return first < 0 ? first : r;
}

static int walk_tree(struct walk *w, int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	w->dev = st.st_dev;
	return walk_entry(w, at, name, 0);
}

int sys_tree_walk(int at, const char *name, sys_tree_visit visit, void *arg)
{
	struct walk w = { .visit = visit, .arg = arg, .top = -EBADF };

	return walk_tree(&w, at, name);
}

static int remove_entry(void *arg, int at, const char *name, const struct stat *st)
{
	(void)arg;
	if (unlinkat(at, name, S_ISDIR(st->st_mode) ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int add_size(void *arg, int at, const char *name, const struct stat *st)
{
	(void)at, (void)name;
	*(uint64_t *)arg += (uint64_t)st->st_blocks * 512;
	return 0;
}

int sys_tree_remove(int at, const char *name)
{
	struct walk w = { .visit = remove_entry };
	unsigned int moved;
	int r;

	do {
		w.top = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		moved = w.moved;
		r = walk_tree(&w, at, name);
		lxe_close(w.top);
		/* The rest of a tree that was too deep lies at its top now. */
	} while (w.moved > moved && r < 0);
	return r == -ENOENT ? 0 : r;
}

int sys_tree_size(int at, const char *name, uint64_t *ret)
{
	uint64_t size = 0;
	int r = sys_tree_walk(at, name, add_size, &size);

	if (r < 0)
		return r;
	*ret = size;
	return 0;
}
