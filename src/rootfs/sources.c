#include "rootfs/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "rootfs/diskimage.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/userns.h"

/* What all of the list is opened with. */
struct opening {
	struct lxe_sources *ret;
	struct sys_mounts host;
	const char *const *names; /* of our own directories */
	struct sys_object own[LXE_HIDDEN];
	const struct lxe_idmap *map;
	int userns; /* made when it is needed first */
};

static const char *mode_of(const struct lxe_mount *m)
{
	return m->kind == LXE_MOUNT_BIND   ? "bind"
	       : m->kind == LXE_MOUNT_DISK ? "mount the disk"
					   : "copy the file";
}

void lxe_sources_release(struct lxe_sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		struct lxe_cow_origin *cow = sources->v[i].cow;

		lxe_close(sources->v[i].fd);
		if (cow) {
			lxe_close(cow->source);
			lxe_close(cow->layer);
		}
		free(cow);
	}
	free(sources->v);
	*sources = (struct lxe_sources){ 0 };
}

/* Filesystems that show or steer the kernel itself, whoever looks. */
static bool is_pseudo(const char *type)
{
	static const char *const types[] = { "proc", "sysfs", "cgroup", "cgroup2", "devpts",
		"devtmpfs", "debugfs", "tracefs", "securityfs", "selinuxfs", "bpf", "pstore",
		"efivarfs", "configfs", "nsfs", "binfmt_misc", "mqueue", "fusectl", "autofs" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static int refuse_pseudo(
	const struct lxe_mount *m, const struct sys_mount_row *row, bool below, struct lxe_err *err)
{
	lxe_rule(err, "no file system of the kernel's own is shown by a bind");
	if (below)
		lxe_hint(err, "bind the directories of it that are needed, one by one");
	else
		lxe_hint(err, "a sandbox has a /proc, a /sys and a /dev of its own");
	return lxe_fail_msg(
		err, -EPERM, "bind '%s': '%s' is the host's %s", m->src, row->point, row->type);
}

static int refuse_own(const struct lxe_mount *m, const char *own, struct lxe_err *err)
{
	lxe_rule(err, "what sandboxes are made of is out of their reach");
	lxe_hint(err, "copy what is needed of it to another directory");
	return lxe_fail_msg(
		err, -EPERM, "%s '%s': it lies in lxc-exec's own '%s'", mode_of(m), m->src, own);
}

/* Does this mount, from `root` of its filesystem on, show that object? */
static bool shows(dev_t dev, const char *root, const struct sys_object *object)
{
	return dev == object->dev && sys_path_below(object->path, root);
}

static int check_place(struct opening *o, const struct lxe_mount *m, const struct sys_object *at,
	struct lxe_err *err)
{
	if (is_pseudo(at->row->type))
		return refuse_pseudo(m, at->row, false, err);
	for (size_t i = 0; i < LXE_HIDDEN; i++)
		if (at->dev == o->own[i].dev && sys_path_below(at->path, o->own[i].path))
			return refuse_own(m, o->names[i], err);
	return 0;
}

/* An overlay lies over one filesystem: what is mounted below would be missing. */
static int refuse_mounts(
	const struct lxe_mount *m, const struct sys_mount_row *row, struct lxe_err *err)
{
	lxe_hint(err, "make a copy-on-write bind of the directory below it that is worked in");
	return lxe_fail_msg(err, -EXDEV,
		"bind '%s': copy-on-write is for one file system, and another is mounted at '%s'",
		m->src, row->point);
}

static void hide(struct opening *o, bool shown[LXE_HIDDEN])
{
	struct lxe_sources *ret = o->ret;

	for (size_t i = 0; i < LXE_HIDDEN; i++) {
		bool known = !shown[i];

		for (size_t k = 0; k < ret->n_hidden && !known; k++)
			known = strcmp(ret->hidden[k].path, o->own[i].path) == 0 &&
				ret->hidden[k].dev == o->own[i].dev;
		if (!known)
			ret->hidden[ret->n_hidden++] = o->own[i];
	}
}

/* What comes along with a directory: the mounts below it. `path`: its own in the host's view. */
static int check_below(struct opening *o, const struct lxe_mount *m, const struct sys_object *at,
	const char *path, struct lxe_err *err)
{
	bool shown[LXE_HIDDEN];

	for (size_t i = 0; i < LXE_HIDDEN; i++)
		shown[i] = shows(at->dev, at->path, &o->own[i]);
	for (size_t n = 0; n < o->host.n; n++) {
		const struct sys_mount_row *row = &o->host.v[n];
		const char *rest = sys_path_below(row->point, path);

		if (!rest || !*rest)
			continue;
		if (is_pseudo(row->type))
			return refuse_pseudo(m, row, true, err);
		if (m->cow)
			return refuse_mounts(m, row, err);
		for (size_t i = 0; i < LXE_HIDDEN; i++)
			shown[i] |= shows(row->dev, row->root, &o->own[i]);
	}
	hide(o, shown);
	return 0;
}

static int path_of(const struct sys_object *at, char *ret, size_t size)
{
	const char *rest = sys_path_below(at->path, at->row->root);

	if (!rest)
		return -ENOENT;
	return lxe_format(ret, size, "%s%s",
		strcmp(at->row->point, "/") == 0 && *rest ? "" : at->row->point, rest);
}

static int need_userns(struct opening *o, struct lxe_err *err)
{
	if (o->userns < 0)
		o->userns = sys_userns_mapped(o->map->host_start, o->map->count);
	return o->userns < 0 ? lxe_fail(err, o->userns, "make a user namespace for %u..",
				       o->map->host_start)
			     : 0;
}

static int refuse_shift(
	const struct lxe_mount *m, int r, const struct sys_object *at, struct lxe_err *err)
{
	if (m->kind == LXE_MOUNT_DISK) {
		lxe_hint(err, "--disk %s:%s:%sshift=off shows its owners as they are in the image",
			m->src, m->dst, m->ro ? "ro:" : "");
		return lxe_fail_msg(err, r,
			"disk '%s': this kernel cannot mount its file system with shifted owners",
			m->src);
	}
	lxe_hint(err, "--bind %s:%s:%s:shift=off shows its owners as they are on the host", m->src,
		m->dst,
		m->cow	? "cow"
		: m->ro ? "ro"
			: "rw");
	return lxe_fail_msg(err, r,
		"bind '%s': its file system '%s', or one that is mounted below it, cannot be "
		"mounted with shifted owners",
		m->src, at->row->type);
}

static int close_tree(struct opening *o, const struct lxe_mount *m, int tree,
	const struct sys_object *at, struct lxe_err *err)
{
	uint64_t set =
		MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (m->ro || m->cow ? MOUNT_ATTR_RDONLY : 0);
	/* An ordinary user's ids are what the sandbox's map makes of them: rootfs/idmap.c. */
	bool shift = !m->unshifted && !o->map->stored;
	int r;

	r = shift ? need_userns(o, err) : 0;
	if (r < 0)
		return r;
	r = sys_mount_change(tree, !m->cow, set, shift ? o->userns : -EBADF);
	if (shift && (r == -EINVAL || r == -EOPNOTSUPP))
		return refuse_shift(m, r, at, err);
	return r < 0 ? lxe_fail(err, r, "%s '%s'", mode_of(m), m->src) : 0;
}

static int open_disk(struct opening *o, const struct lxe_mount *m, int found,
	const struct sys_object *at, struct lxe_err *err)
{
	const struct lxe_diskimage image = { m, found, at, o->names, LXE_HIDDEN };
	LXE_AUTOCLOSE int tree = lxe_diskimage_mount(&image, err);
	int r = tree < 0 ? tree : close_tree(o, m, tree, at, err);

	return r < 0 ? r : take_fd(&tree);
}

static int open_bind(struct opening *o, const struct lxe_mount *m, int found, bool directory,
	const struct sys_object *at, struct lxe_err *err)
{
	LXE_AUTOCLOSE int tree = -EBADF;
	char path[4096];
	int r = path_of(at, path, sizeof(path));

	if (r == 0 && directory)
		r = check_below(o, m, at, path, err);
	else if (r < 0)
		lxe_fail(err, r, "bind '%s'", m->src);
	if (r < 0)
		return r;
	tree = sys_mount_clone(found, "", !m->cow);
	if (tree < 0)
		return lxe_fail(err, tree, "bind '%s'", m->src);
	r = close_tree(o, m, tree, at, err);
	return r < 0 ? r : take_fd(&tree);
}

static int refuse_kind(const struct lxe_mount *m, const char *what, struct lxe_err *err)
{
	lxe_hint(err, m->kind == LXE_MOUNT_FILE ? "--file copies one file, --bind shows directories"
						: "a bind shows a file, a directory or a socket");
	return lxe_fail_msg(err, -EINVAL, "%s '%s': %s", mode_of(m), m->src, what);
}

static int check_kind(const struct lxe_mount *m, mode_t mode, struct lxe_err *err)
{
	if (m->cow && !S_ISDIR(mode)) {
		lxe_hint(err, "make one of the directory it is in, or copy it: --file %s:%s",
			m->src, m->dst);
		return lxe_fail_msg(err, -ENOTDIR,
			"bind '%s': copy-on-write is for directories, and it is none", m->src);
	}
	if (m->kind == LXE_MOUNT_FILE && !S_ISREG(mode))
		return refuse_kind(m, "it is no regular file", err);
	if (m->kind == LXE_MOUNT_DISK)
		return lxe_diskimage_check(m, mode, err);
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return refuse_kind(m, "it is a device", err);
	return 0;
}

/* Again by its descriptor, for reading: what was looked at is what is read. */
static int open_file(int found, const struct lxe_mount *m, struct lxe_err *err)
{
	int fd = sys_reopen(found, O_RDONLY | O_NONBLOCK);

	return fd < 0 ? lxe_fail(err, fd, "copy the file '%s'", m->src) : fd;
}

/* Once more as the caller has it: what was written is compared with that, and put there. */
static int open_cow(struct lxe_origin *ret, int found, const struct lxe_mount *m,
	const struct sys_object *at, struct lxe_err *err)
{
	ret->cow = malloc(sizeof(*ret->cow));
	if (!ret->cow)
		return lxe_fail(err, -ENOMEM, "bind '%s'", m->src);
	ret->cow->object = *at;
	ret->cow->object.row = NULL;
	ret->cow->layer = -EBADF;
	ret->cow->mount = 0;
	ret->cow->source = openat(found, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->cow->source < 0 ? lxe_fail(err, -errno, "bind '%s'", m->src) : 0;
}

static int open_source(
	struct opening *o, const struct lxe_mount *m, struct lxe_origin *ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int found = sys_find(m->src);
	struct sys_object at;
	struct stat st;
	int r = found;

	if (r >= 0)
		r = sys_mounts_locate(&o->host, found, &at);
	if (r < 0 || fstat(found, &st) < 0) {
		r = lxe_fail(err, r < 0 ? r : -errno, "%s '%s'", mode_of(m), m->src);
		lxe_hint(err, "the source is a path of the host that you can reach yourself");
		return r;
	}
	ret->directory = S_ISDIR(st.st_mode) || m->kind == LXE_MOUNT_DISK;
	r = check_kind(m, st.st_mode, err);
	if (r == 0)
		r = check_place(o, m, &at, err);
	if (r == 0 && m->cow)
		r = open_cow(ret, found, m, &at, err);
	if (r == 0 && m->kind == LXE_MOUNT_DISK)
		r = open_disk(o, m, found, &at, err);
	else if (r == 0)
		r = m->kind == LXE_MOUNT_FILE ? open_file(found, m, err)
					      : open_bind(o, m, found, ret->directory, &at, err);
	if (r < 0)
		return r;
	ret->fd = r;
	return 0;
}

static int find_own(struct opening *o, struct lxe_err *err)
{
	for (size_t i = 0; i < LXE_HIDDEN; i++) {
		LXE_AUTOCLOSE int fd = open(o->names[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		int r = fd < 0 ? -errno : sys_mounts_locate(&o->host, fd, &o->own[i]);

		if (r < 0)
			return lxe_fail(err, r, "find '%s' among the mounts", o->names[i]);
	}
	return 0;
}

static int open_all(struct opening *o, const struct lxe_mounts *list, struct lxe_err *err)
{
	struct lxe_sources *ret = o->ret;
	int r = sys_mounts_read(&o->host);

	if (r < 0)
		return lxe_fail(err, r, "read the host's mounts");
	r = find_own(o, err);
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		ret->v[ret->n++] = (struct lxe_origin){ .fd = -EBADF };
		if (list->v[i].kind != LXE_MOUNT_TMPFS)
			r = open_source(o, &list->v[i], &ret->v[i], err);
	}
	/* The rows go with the table. */
	for (size_t i = 0; i < ret->n_hidden; i++)
		ret->hidden[i].row = NULL;
	return r;
}

int lxe_sources_open(struct lxe_sources *ret, const struct lxe_mounts *list,
	const struct lxe_idmap *map, const char *const own[LXE_HIDDEN], struct lxe_err *err)
{
	struct opening *o;
	int r;

	*ret = (struct lxe_sources){ 0 };
	if (!list->n)
		return 0;
	o = calloc(1, sizeof(*o));
	ret->v = calloc(list->n, sizeof(*ret->v));
	if (!o || !ret->v) {
		free(o);
		return lxe_fail(err, -ENOMEM, "open the binds");
	}
	o->ret = ret;
	o->map = map;
	o->names = own;
	o->userns = -EBADF;
	r = open_all(o, list, err);
	sys_mounts_release(&o->host);
	lxe_close(o->userns);
	free(o);
	return r;
}
