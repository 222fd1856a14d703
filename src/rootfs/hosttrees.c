#include "rootfs/hosttrees.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/mount.h"

/*
 * With shifted owners root inside is the owner of root's files, and reads those that nobody else
 * may. What a distribution puts into /usr is public, and setuid programs want an owner. What an
 * administrator puts into /opt and /usr/local may not be: there owners stay what they are, which is
 * nobody inside.
 *
 * Where /usr is merged, the last six are symlinks into it, which the image has as well.
 */
static const struct tree {
	const char *name;
	bool shifted;
} trees[] = {
	{ "usr", true },
	{ "usr/local", false },
	{ "opt", false },
	{ "etc/alternatives", true },
	{ "etc/ld.so.cache", true },
	{ "bin", true },
	{ "sbin", true },
	{ "lib", true },
	{ "lib32", true },
	{ "lib64", true },
	{ "libx32", true },
};

static bool is_absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/*
 * Where a submount's filesystem cannot be shifted, the tree's own still is: that submount's files
 * then belong to nobody inside, and are read-only like the rest.
 */
static int close_tree(int tree, int userns)
{
	const uint64_t set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
	int r = sys_mount_change(tree, true, set, userns);

	if (userns < 0 || (r != -EINVAL && r != -EOPNOTSUPP))
		return r;
	r = sys_mount_change(tree, true, set, -EBADF);
	return r < 0 ? r : sys_mount_change(tree, false, set, userns);
}

static int refuse_filesystem(int tree, int r, const char *name, struct lxe_err *err)
{
	char type[64] = "unknown";

	sys_filesystem_name(tree, type, sizeof(type));
	lxe_fail_msg(err, r, "the filesystem '%s' of '/%s' cannot be mounted with shifted owners",
		type, name);
	lxe_hint(err, "use an image of its own files, for example '--image busybox'");
	return r;
}

static int open_tree_of(int host, const char *name)
{
	struct stat st;

	if (fstatat(host, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return -ELOOP;
	return sys_mount_clone(host, name, true);
}

static int mount_tree(int host, int rootfs, const char *name, int userns, struct lxe_err *err)
{
	LXE_AUTOCLOSE int tree = -EBADF, target = sys_open_beneath(rootfs, name);
	int r;

	if (target < 0)
		return is_absent(target) ? 0
					 : lxe_fail(err, target, "open mount point '/%s'", name);
	tree = open_tree_of(host, name);
	if (tree < 0)
		return is_absent(tree) ? 0 : lxe_fail(err, tree, "open the host's '/%s'", name);
	r = close_tree(tree, userns);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return refuse_filesystem(tree, r, name, err);
	if (r == 0)
		r = sys_mount_attach(tree, target, "");
	return r < 0 ? lxe_fail(err, r, "mount the host's '/%s'", name) : 0;
}

/* Already owned by the sandbox's root, so nothing is shifted. */
static int mount_fresh(int rw, int rootfs, const char *name, struct lxe_err *err)
{
	LXE_AUTOCLOSE int tree = -EBADF, target = sys_open_beneath(rootfs, name);
	int r;

	if (target < 0)
		return lxe_fail(err, target, "open mount point '/%s'", name);
	tree = sys_mount_clone(rw, name, false);
	if (tree < 0)
		return lxe_fail(err, tree, "open the writable '/%s'", name);
	r = sys_mount_change(tree, false, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, -EBADF);
	if (r == 0)
		r = sys_mount_attach(tree, target, "");
	return r < 0 ? lxe_fail(err, r, "mount the writable '/%s'", name) : 0;
}

static int open_root(const char *path, struct lxe_err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? lxe_fail(err, -errno, "open '%s'", path) : fd;
}

int lxe_host_trees_mount(
	const char *host, const char *rootfs, const char *rw, int userns, struct lxe_err *err)
{
	LXE_AUTOCLOSE int from = open_root(host, err), to = -EBADF, fresh = -EBADF;
	int r = 0;

	if (from < 0)
		return from;
	to = open_root(rootfs, err);
	if (to < 0)
		return to;
	fresh = open_root(rw, err);
	if (fresh < 0)
		return fresh;
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && r == 0; i++)
		r = mount_tree(from, to, trees[i].name, trees[i].shifted ? userns : -EBADF, err);
	if (r == 0)
		r = mount_fresh(fresh, to, "tmp", err);
	return r < 0 ? r : mount_fresh(fresh, to, "root", err);
}
