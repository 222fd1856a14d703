#include "rootfs/place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rootfs/cow.h"
#include "sys/fd.h"
#include "sys/mount.h"

#define OWN_MAX (3 + LXE_MOUNTS_MAX)
#define FEWEST_INODES 1024

/* The root filesystem while it is filled. */
struct tree {
	const struct lxe_placing *how;
	int root;
	uint64_t own[OWN_MAX]; /* mounts of the sandbox's own, in which something may be made */
	size_t n_own;
	uint64_t placed[LXE_MOUNTS_MAX]; /* the mount at the n-th of the list */
};

static int know_own(struct tree *t, const char *path)
{
	LXE_AUTOCLOSE int fd = sys_open_beneath(t->root, path);
	int r = fd < 0 ? fd : sys_mount_id(fd, &t->own[t->n_own]);

	t->n_own += r == 0;
	return r;
}

static bool is_own(const struct tree *t, int fd)
{
	uint64_t id;

	if (sys_mount_id(fd, &id) < 0)
		return false;
	for (size_t i = 0; i < t->n_own; i++)
		if (t->own[i] == id)
			return true;
	return false;
}

/* The path inside of what a descriptor below the root has been found to be. */
static int path_inside(const struct tree *t, int fd, char *ret, size_t size)
{
	char path[PATH_MAX];
	const char *rest;
	int r = sys_fd_path(fd, path, sizeof(path));

	if (r < 0)
		return r;
	rest = sys_path_below(path, t->how->rootfs);
	if (!rest)
		return -EXDEV;
	return lxe_format(ret, size, "%s", *rest ? rest : "/");
}

static int refuse(const struct lxe_mount *m, int r, struct lxe_err *err, const char *what)
{
	return lxe_fail_msg(err, r, "--%s at '%s': %s", lxe_mount_name(m->kind), m->dst, what);
}

static int refuse_missing(const struct lxe_mount *m, struct lxe_err *err)
{
	lxe_hint(err, "make it there first: nothing is ever made on the host for a mount point");
	return refuse(m, -ENOENT, err, "it is not there, and lies in a part that is the host's");
}

static int finish(int parent, const char *name, uid_t owner, mode_t mode)
{
	if (fchownat(parent, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(parent, name, mode, 0) < 0)
		return -errno;
	return 0;
}

/* In a directory of the sandbox's own, for a mount or on the way to one. */
static int make(struct tree *t, const struct lxe_mount *m, int parent, const char *name,
	bool directory, struct lxe_err *err)
{
	LXE_AUTOCLOSE int file = -EBADF;
	int r = 0;

	if (!is_own(t, parent))
		return refuse_missing(m, err);
	if (directory)
		r = mkdirat(parent, name, 0755) < 0 ? -errno : 0;
	else
		file = openat(
			parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (!directory && file < 0)
		r = -errno;
	if (r == 0)
		r = finish(parent, name, t->how->root, directory ? 0755 : 0644);
	if (r == -EEXIST) {
		lxe_hint(err, "a symlink on the way there leads to nothing inside");
		return refuse(m, -ENOENT, err, "a part of it leads nowhere");
	}
	return r < 0 ? lxe_fail(err, r, "make the mount point '%s'", m->dst) : 0;
}

/* The directory that `dst` is in, made as far as it is not there. *name points into dst. */
static int reach_parent(
	struct tree *t, const struct lxe_mount *m, const char **name, struct lxe_err *err)
{
	LXE_AUTOCLOSE int parent = sys_find_in_root(t->root, "/", true);
	const char *begin = m->dst + 1, *end;
	char prefix[PATH_MAX];
	int r;

	for (; parent >= 0 && (end = strchr(begin, '/')); begin = end + 1) {
		int next;

		if (lxe_format(prefix, sizeof(prefix), "%.*s", (int)(end - m->dst), m->dst) < 0)
			return refuse(m, -ENAMETOOLONG, err, "the path is too long");
		next = sys_find_in_root(t->root, prefix, true);
		if (next == -ENOENT) {
			r = make(t, m, parent, prefix + (begin - m->dst), true, err);
			if (r < 0)
				return r;
			next = sys_find_in_root(t->root, prefix, true);
		}
		lxe_close(parent);
		parent = next;
	}
	if (parent < 0)
		return lxe_fail(err, parent, "--%s at '%s'", lxe_mount_name(m->kind), m->dst);
	*name = begin;
	return take_fd(&parent);
}

/* liblxc mounts over these, and what was below is not seen. `dir`: it is only where a file goes. */
static int check_target(
	struct tree *t, const struct lxe_mount *m, int target, bool dir, struct lxe_err *err)
{
	static const char *const taken[] = { "/proc", "/sys", "/dev" };
	char real[PATH_MAX];
	int r = path_inside(t, target, real, sizeof(real));

	if (r < 0)
		return lxe_fail(err, r, "--%s at '%s'", lxe_mount_name(m->kind), m->dst);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (sys_path_below(real, taken[i])) {
			lxe_hint(err, "choose a place outside of /proc, /sys and /dev");
			return refuse(m, -EBUSY, err, "the sandbox's own system files are there");
		}
	if (t->how->secrets && (sys_path_below(real, "/run/secrets") ||
				       (!dir && sys_path_below("/run/secrets", real)))) {
		lxe_hint(err, "a place below /run beside it is free");
		return refuse(m, -EBUSY, err, "the secrets (--secret) are to be in /run/secrets");
	}
	return !dir && strcmp(real, "/") == 0
		       ? refuse(m, -EBUSY, err, "it would be all of the sandbox's files")
		       : 0;
}

static int reach(struct tree *t, const struct lxe_mount *m, bool directory, struct lxe_err *err)
{
	LXE_AUTOCLOSE int parent = -EBADF;
	const char *name = m->dst;
	LXE_AUTOCLOSE int target = sys_find_in_root(t->root, m->dst, true);
	struct stat st;
	int r;

	if (target == -ENOENT) {
		parent = reach_parent(t, m, &name, err);
		if (parent < 0)
			return parent;
		/* Before anything is made: where it is to be made may be taken. */
		r = make(t, m, parent, name, directory, err);
		if (r < 0)
			return r;
		target = sys_find_in_root(t->root, m->dst, true);
	}
	if (target < 0 || fstat(target, &st) < 0) {
		lxe_hint(err, "a part of the path is no directory, or symlinks lead in a circle");
		return lxe_fail(err, target < 0 ? target : -errno, "--%s at '%s'",
			lxe_mount_name(m->kind), m->dst);
	}
	if (S_ISDIR(st.st_mode) != directory) {
		lxe_hint(err, "files go over files, directories over directories");
		return refuse(m, directory ? -ENOTDIR : -EISDIR, err,
			directory ? "a directory is to be there, and there is a file"
				  : "the source is a file, and there is a directory");
	}
	r = check_target(t, m, target, false, err);
	return r < 0 ? r : take_fd(&target);
}

static int new_tmpfs(uint64_t size, uid_t root)
{
	LXE_AUTOCLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	LXE_AUTOCLOSE int fd = -EBADF;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char bytes[32], inodes[32];

	/* An empty file costs memory as well, and is not counted in the size. */
	snprintf(bytes, sizeof(bytes), "%" PRIu64, size);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, size / page + FEWEST_INODES);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "1777", 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_STRING, "size", bytes, 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", inodes, 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (fd < 0 || fchownat(fd, "", root, root, AT_EMPTY_PATH) < 0)
		return -errno;
	return take_fd(&fd);
}

/* In the place of the mount of what it lies over. */
static int lay_over(struct tree *t, size_t index, const struct lxe_mount *m,
	struct lxe_origin *source, struct lxe_err *err)
{
	LXE_AUTOCLOSE int writable = open(t->how->writable, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct lxe_cow how = {
		.writable = writable,
		.index = index,
		.lower = source->fd,
		.source = source->cow->source,
		.nobody = t->how->nobody,
		.user = t->how->user,
		.shown = m->src,
	};
	int fd;

	if (writable < 0)
		return lxe_fail(err, -errno, "open the sandbox's writable layers");
	fd = lxe_cow_mount(&how, &source->cow->layer, err);
	if (fd < 0)
		return fd;
	lxe_close(source->fd);
	source->fd = fd;
	return sys_mount_id(fd, &source->cow->mount);
}

static int mount_one(struct tree *t, size_t i, const struct lxe_mount *m, size_t index,
	struct lxe_origin *source, struct lxe_err *err)
{
	bool tmpfs = m->kind == LXE_MOUNT_TMPFS;
	LXE_AUTOCLOSE int target = reach(t, m, tmpfs || source->directory, err);
	int r;

	if (target < 0)
		return target;
	if (tmpfs)
		source->fd = new_tmpfs(m->size, t->how->root);
	r = source->cow ? lay_over(t, index, m, source, err) : 0;
	if (r < 0)
		return r;
	r = source->fd < 0 ? source->fd : sys_mount_id(source->fd, &t->placed[i]);
	if (r == 0)
		r = sys_mount_attach(source->fd, target, "");
	if (r < 0)
		return lxe_fail(err, r, "--%s at '%s'", lxe_mount_name(m->kind), m->dst);
	if (tmpfs)
		t->own[t->n_own++] = t->placed[i];
	lxe_drop_fd(&source->fd);
	return 0;
}

/* Symlinks of the image, or of what was bound, may have led two of them to one place. */
static int check_one(const struct tree *t, size_t i, const struct lxe_mount *m, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = sys_find_in_root(t->root, m->dst, true);
	uint64_t id = 0;

	if (fd >= 0 && sys_mount_id(fd, &id) == 0 && id == t->placed[i])
		return 0;
	lxe_hint(err, "symlinks inside lead another one over it: leave one of the two out");
	return refuse(m, -EBUSY, err, "another bind or tmpfs covers it");
}

static int copy_bytes(int from, int to)
{
	ssize_t n;

	do {
		n = sendfile(to, from, NULL, 1 << 20);
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* Beside its place first, and then over whatever name is there, which may be a symlink. */
static int copy_into(int parent, const char *name, int from, mode_t mode, uid_t uid, gid_t gid)
{
	static const char beside[] = ".lxe-file";
	LXE_AUTOCLOSE int to =
		openat(parent, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = to < 0 ? -errno : copy_bytes(from, to);

	if (r == 0 && (fchown(to, uid, gid) < 0 || fchmod(to, mode) < 0 ||
			      renameat(parent, beside, parent, name) < 0))
		r = -errno;
	if (r < 0 && to >= 0)
		unlinkat(parent, beside, 0);
	return r;
}

static int copy_one(
	struct tree *t, const struct lxe_mount *m, struct lxe_origin *source, struct lxe_err *err)
{
	const char *name = m->dst;
	LXE_AUTOCLOSE int parent = reach_parent(t, m, &name, err);
	struct stat st;
	int r;

	if (parent < 0)
		return parent;
	if (!is_own(t, parent)) {
		lxe_hint(err, "--bind SRC:DST:ro shows a file there, where one is");
		return refuse(m, -EPERM, err, "that is a part of the host's, not the sandbox's");
	}
	r = check_target(t, m, parent, true, err);
	if (r < 0)
		return r;
	if (fstat(source->fd, &st) < 0)
		r = -errno;
	if (r == 0)
		r = copy_into(parent, name, source->fd, m->mode ? m->mode : st.st_mode & 0777,
			t->how->uid, t->how->gid);
	if (r == -EISDIR || r == -ENOTDIR)
		return refuse(m, r, err, "there is a directory");
	return r < 0 ? lxe_fail(err, r, "copy '%s' to '%s'", m->src, m->dst) : 0;
}

/* What is wanted somewhere, in the order in which it is put there. */
struct step {
	const struct lxe_mount *m;
};

/* As if '/' came before every other byte: what is in a directory comes after it. */
static int compare(const void *a, const void *b)
{
	const struct step *one = a, *two = b;
	const char *x = one->m->dst, *y = two->m->dst;

	while (*x && *x == *y)
		x++, y++;
	if (*x == *y)
		return 0;
	if (!*x || !*y)
		return *x ? 1 : -1;
	if (*x == '/' || *y == '/')
		return *x == '/' ? -1 : 1;
	return (unsigned char)*x - (unsigned char)*y;
}

static int place_all(struct tree *t, const struct lxe_mounts *list, struct lxe_sources *sources,
	struct lxe_err *err)
{
	struct step order[LXE_MOUNTS_MAX] = { { NULL } };
	int r = 0;

	for (size_t i = 0; i < list->n; i++)
		order[i].m = &list->v[i];
	qsort(order, list->n, sizeof(order[0]), compare);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		if (order[i].m->kind != LXE_MOUNT_FILE)
			r = mount_one(t, i, order[i].m, (size_t)(order[i].m - list->v),
				&sources->v[order[i].m - list->v], err);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		if (order[i].m->kind != LXE_MOUNT_FILE)
			r = check_one(t, i, order[i].m, err);
	for (size_t i = 0; r == 0 && i < list->n; i++)
		if (order[i].m->kind == LXE_MOUNT_FILE)
			r = copy_one(t, order[i].m, &sources->v[order[i].m - list->v], err);
	return r;
}

int lxe_place(const struct lxe_placing *how, const struct lxe_mounts *list,
	struct lxe_sources *sources, struct lxe_err *err)
{
	LXE_AUTOCLOSE int root = open(how->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct tree t = { .how = how, .root = root };
	int r;

	if (root < 0)
		return lxe_fail(err, -errno, "open '%s'", how->rootfs);
	r = know_own(&t, ".");
	if (r == 0 && how->host_trees)
		r = know_own(&t, "tmp");
	if (r == 0 && how->host_trees)
		r = know_own(&t, "root");
	if (r < 0)
		return lxe_fail(err, r, "look at the root filesystem");
	return place_all(&t, list, sources, err);
}
