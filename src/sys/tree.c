#include "sys/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What is done with each entry, children before their directory. `st` was taken without following. */
typedef int (*visit_fn)(void *arg, int at, const char *name, const struct stat *st);

struct walk {
	visit_fn visit;
	void *arg;
	dev_t dev;
};

static int walk_entry(struct walk *w, int at, const char *name, unsigned int depth);

/* NULL with errno set when it cannot be read. */
static DIR *open_stream(int at, const char *name)
{
	LXE_AUTOCLOSE int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		take_fd(&fd);
	return dir;
}

/* Goes on after a failure, so that as much as possible is done; reports the first. */
static int walk_children(struct walk *w, int at, const char *name, unsigned int depth)
{
	const struct dirent *e;
	int first = 0, r;
	DIR *dir;

	if (depth >= SYS_TREE_DEPTH_MAX)
		return -ELOOP;
	dir = open_stream(at, name);
	if (!dir)
		return -errno;
	while (errno = 0, (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = walk_entry(w, dirfd(dir), e->d_name, depth + 1);
		if (r < 0 && first == 0)
			first = r;
	}
	if (errno && first == 0)
		first = -errno;
	closedir(dir);
	return first;
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

static int walk_tree(int at, const char *name, visit_fn visit, void *arg)
{
	struct walk w = { .visit = visit, .arg = arg };
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	w.dev = st.st_dev;
	return walk_entry(&w, at, name, 0);
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
	int r = walk_tree(at, name, remove_entry, NULL);

	return r == -ENOENT ? 0 : r;
}

int sys_tree_size(int at, const char *name, uint64_t *ret)
{
	uint64_t size = 0;
	int r = walk_tree(at, name, add_size, &size);

	if (r < 0)
		return r;
	*ret = size;
	return 0;
}
