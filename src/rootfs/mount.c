#include "rootfs/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rootfs/disk.h"
#include "rootfs/hosttrees.h"
#include "rootfs/stack.h"
#include "store/sandbox.h"
#include "sys/mount.h"
#include "sys/userns.h"

#define FEWEST_INODES 1024

int lxe_rootfs_unshare(struct lxe_err *err)
{
	if (unshare(CLONE_NEWNS) < 0) {
		int r = lxe_fail(err, -errno, "make a mount namespace");

		lxe_hint(err, "run it as root");
		return r;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return lxe_fail(err, -errno, "detach from the host's mount namespace");
	return 0;
}

static int make_work(void)
{
	if (mkdir("rw/w", 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chown("rw/w", 0, 0) < 0 ? -errno : 0;
}

/*
 * A directory of exactly this mode, whatever the umask says. One that is there is as the sandbox has left it, and so
 * is one of a layer below: what is seen of a directory is what is uppermost.
 */
static int make_top(const struct lxe_stack *stack, const char *name, mode_t mode, uid_t owner)
{
	char path[16];
	struct stat st = { .st_mode = mode, .st_uid = owner, .st_gid = owner };

	lxe_stack_look(stack, name, &st);
	snprintf(path, sizeof(path), "rw/%s", name);
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (chown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static int make_mount_points(void)
{
	static const char *const names[] = { "l", "rw", "m" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mkdir(names[i], 0711) < 0)
			return -errno;
	return 0;
}

/* What is kept is on disk: its owners are the sandbox's, whose range is its id's. */
static int mount_kept(const char *kept, uint64_t disk, struct lxe_err *err)
{
	char path[PATH_MAX];
	int r;

	r = lxe_format(path, sizeof(path), "%s/%s", kept, disk ? LXE_SANDBOX_DISK : "rw");
	if (r < 0)
		return lxe_fail(err, r, "mount the writable layer");
	if (disk)
		return lxe_disk_mount(path, "rw", disk, err);
	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return lxe_fail(err, -errno, "make '%s'", path);
	if (mount(path, "rw", NULL, MS_BIND, NULL) < 0)
		return lxe_fail(err, -errno, "mount '%s'", path);
	return 0;
}

/* An empty file costs memory as well, and is not counted in the size. */
static int mount_tmpfs(uint64_t disk)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pages = (disk + page - 1) / page;
	struct statvfs vfs;
	char options[96] = "mode=0711";

	if (disk)
		snprintf(options, sizeof(options), "mode=0711,size=%" PRIu64 ",nr_inodes=%" PRIu64,
			disk, pages + FEWEST_INODES);
	if (mount("tmpfs", "rw", "tmpfs", MS_NODEV, options) < 0)
		return -errno;
	if (disk && (statvfs("rw", &vfs) < 0 || vfs.f_blocks * vfs.f_frsize != pages * page))
		return -ERANGE;
	return 0;
}

/*
 * One tmpfs holds all that the sandbox writes: the overlay's upper layer, /tmp and root's home. So
 * one size limits them together. The overlay works in rw/w with the mounter's own privileges.
 */
static int mount_writable(const struct lxe_image *image, uid_t root, const char *kept,
	uint64_t disk, struct lxe_err *err)
{
	int r;

	r = kept ? mount_kept(kept, disk, err) : mount_tmpfs(disk);
	if (r < 0 && kept)
		return r;
	if (r == 0)
		r = make_top(image->stack, "u", 0755, root);
	if (r == 0)
		r = make_work();
	if (r == 0 && image->host_trees)
		r = make_top(image->stack, "tmp", 01777, root);
	if (r == 0 && image->host_trees)
		r = make_top(image->stack, "root", 0700, root);
	return r < 0 ? lxe_fail(err, r, "mount the writable layer") : 0;
}

static int refuse_filesystem(int fd, int r, const char *what, struct lxe_err *err)
{
	char type[64] = "unknown";

	sys_filesystem_name(fd, type, sizeof(type));
	lxe_fail_msg(err, r, "the filesystem '%s' of %s cannot be mounted with shifted owners",
		type, what);
	lxe_hint(err, "set LXC_EXEC_STATE_DIR to a directory on ext4, xfs, btrfs or tmpfs");
	return r;
}

static int mount_lower(struct lxe_image *image, int userns, struct lxe_err *err)
{
	LXE_AUTOCLOSE int tree = take_fd(&image->files);
	int r;

	r = sys_mount_change(tree, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, userns);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return refuse_filesystem(image->lock, r, "the images", err);
	if (r == 0)
		r = sys_mount_attach(tree, AT_FDCWD, "l");
	return r < 0 ? lxe_fail(err, r, "mount image '%s'", image->name) : 0;
}

/*
 * Relative names, because the options are readable in the sandbox. A work directory that cannot be
 * used makes overlayfs mount read-only with no more than a line in the kernel's log, so we look.
 */
static int mount_overlay(bool user, struct lxe_err *err)
{
	/* In a user namespace overlayfs may not use trusted.* attributes. */
	const char *options = user ? "lowerdir=l,upperdir=rw/u,workdir=rw/w,userxattr"
				   : "lowerdir=l,upperdir=rw/u,workdir=rw/w";
	struct statvfs vfs;

	if (mount("overlay", "m", "overlay", MS_NODEV, options) < 0)
		return lxe_fail(err, -errno, "mount the overlay");
	if (statvfs("m", &vfs) < 0)
		return lxe_fail(err, -errno, "look at the overlay");
	if (vfs.f_flag & ST_RDONLY)
		return lxe_fail(err, -EROFS, "mount the overlay");
	return 0;
}

/* In the directory that is for them. */
static int mount_layers(struct lxe_image *image, const struct lxe_idmap *map, const char *kept,
	uint64_t disk, struct lxe_err *err)
{
	const struct lxe_stack_mount over = {
		.name = "u", .below = "l", .work = "w", .target = "m", .user = map->stored
	};
	const char *beside = "rw";
	LXE_AUTOCLOSE int userns = -EBADF;
	int r;

	r = make_mount_points();
	if (r < 0)
		return lxe_fail(err, r, "make the mount points");
	if (image->stack)
		r = lxe_stack_attach(image->stack, err);
	if (r == 0)
		r = mount_writable(image, lxe_idmap_host(map, 0), kept, disk, err);
	if (r < 0)
		return r;
	if (!map->stored)
		userns = sys_userns_mapped(map->host_start, map->count);
	if (userns < 0 && !map->stored)
		return lxe_fail(err, userns, "make a user namespace for %u..", map->host_start);
	r = mount_lower(image, userns, err);
	if (r < 0)
		return r;
	r = image->stack ? lxe_stack_mount(image->stack, &over, err)
			 : mount_overlay(map->stored, err);
	if (r < 0 || !image->host_trees)
		return r;
	if (image->stack) {
		r = lxe_stack_mount_beside(image->stack, map->stored, err);
		beside = LXE_STACK_BESIDE;
	}
	return r < 0 ? r : lxe_host_trees_mount("/", "m", beside, userns, err);
}

int lxe_rootfs_mount(struct lxe_image *image, const char *dir, const struct lxe_idmap *map,
	const char *kept, uint64_t disk, struct lxe_err *err)
{
	LXE_AUTOCLOSE int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (cwd < 0)
		return lxe_fail(err, -errno, "open the working directory");
	if (chdir(dir) < 0)
		return lxe_fail(err, -errno, "change to '%s'", dir);
	r = mount_layers(image, map, kept, disk, err);
	if (fchdir(cwd) < 0 && r == 0)
		r = lxe_fail(err, -errno, "change back to the working directory");
	return r < 0 ? lxe_fail(err, r, "mount the root filesystem from image '%s'", image->name)
		     : 0;
}
