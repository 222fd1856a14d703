#include "container/confined.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/worker.h"
#include "sys/caps.h"
#include "sys/mount.h"

/* Covered by the new root: any directory that is always there, and nobody needs until the old root is gone. */
#define PLACE "/usr"

#define BIT(cap) (UINT64_C(1) << (cap))
/* What it takes to give files their owners, modes and attributes, and to read them all. */
#define CAPS                                                                                   \
	(BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | \
		BIT(CAP_FSETID) | BIT(CAP_SETFCAP))

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define WRITABLE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* Of the host, where it has them: its programs and what they are linked with. */
static const char *const system_names[] = { "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32",
	"etc/ld.so.cache", "etc/alternatives" };
enum { SYSTEM_NAMES = sizeof(system_names) / sizeof(system_names[0]) };

struct view {
	struct {
		int fd; /* of the clone; -EBADF: there is none */
		bool is_dir;
		char link[64]; /* it is a symlink instead */
	} host[SYSTEM_NAMES];
	int null;
	int target, work, source;
	int userns;
};

static void release(struct view *v)
{
	for (size_t i = 0; i < SYSTEM_NAMES; i++)
		lxe_drop_fd(&v->host[i].fd);
	lxe_drop_fd(&v->null);
	lxe_drop_fd(&v->target);
	lxe_drop_fd(&v->work);
	lxe_drop_fd(&v->source);
}

static int clone_system(struct view *v, size_t i)
{
	char path[64];
	struct stat st;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/%s", system_names[i]);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode)) {
		n = readlink(path, v->host[i].link, sizeof(v->host[i].link) - 1);
		if (n < 0 || n == (ssize_t)sizeof(v->host[i].link) - 1)
			return -ENAMETOOLONG;
		v->host[i].link[n] = '\0';
		return 0;
	}
	fd = v->host[i].fd = sys_mount_clone(AT_FDCWD, path, true);
	v->host[i].is_dir = S_ISDIR(st.st_mode);
	return fd < 0 ? fd : sys_mount_change(fd, true, READ_ONLY, -EBADF);
}

/* A descriptor of another mount namespace cannot be cloned here: the same directory is looked for again. */
static int clone_again(int fd, const char *path)
{
	LXE_AUTOCLOSE int again = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st, wanted;

	if (again < 0 || fstat(again, &st) < 0 || fstat(fd, &wanted) < 0)
		return -errno;
	if (st.st_dev != wanted.st_dev || st.st_ino != wanted.st_ino)
		return -ESTALE;
	return sys_mount_clone(again, "", true);
}

static int clone_source(const struct lxe_confined *c, struct view *v)
{
	int r, fd = sys_mount_clone(c->source, "", true);

	if (fd == -EINVAL && c->source_path)
		fd = clone_again(c->source, c->source_path);
	if (fd < 0)
		return fd;
	v->source = fd;
	/* Where owners cannot be shifted, what everybody may read is all there is. */
	r = sys_mount_change(fd, false, READ_ONLY | MOUNT_ATTR_NOEXEC, v->userns);
	if (r < 0 && v->userns >= 0)
		r = sys_mount_change(fd, false, READ_ONLY | MOUNT_ATTR_NOEXEC, -EBADF);
	return r < 0 ? r : sys_mount_change(fd, true, READ_ONLY | MOUNT_ATTR_NOEXEC, -EBADF);
}

static int clone_writable(int dir, int *ret, int userns)
{
	int fd = *ret = sys_mount_clone(dir, "", false);

	return fd < 0 ? fd : sys_mount_change(fd, false, WRITABLE, userns);
}

static int clone_all(const struct lxe_confined *c, struct view *v, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; i < SYSTEM_NAMES; i++) {
		r = clone_system(v, i);
		if (r < 0)
			return lxe_fail(err, r, "clone '/%s'", system_names[i]);
	}
	v->null = sys_mount_clone(AT_FDCWD, "/dev/null", false);
	if (v->null < 0)
		return lxe_fail(err, v->null, "clone '/dev/null'");
	if (c->source >= 0 && (r = clone_source(c, v)) < 0)
		return lxe_fail(err, r, "open the source again");
	if (c->target >= 0)
		r = clone_writable(c->target, &v->target, v->userns);
	if (r == 0 && c->work >= 0)
		r = clone_writable(c->work, &v->work, v->userns);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		lxe_hint(err, "set LXC_EXEC_STATE_DIR to a directory on ext4, xfs, btrfs or tmpfs");
	return r < 0 ? lxe_fail(err, r, "mount the image's directory with shifted owners") : 0;
}

static int attach(int fd, const char *name, bool is_dir)
{
	LXE_AUTOCLOSE int file = -EBADF;

	if (fd < 0)
		return 0;
	if (is_dir && mkdir(name, 0755) < 0)
		return -errno;
	if (!is_dir) {
		file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (file < 0)
			return -errno;
	}
	return sys_mount_attach(fd, AT_FDCWD, name);
}

/* In the new root, not yet read-only. */
static int furnish(const struct view *v)
{
	int r = 0;

	if (mkdir("etc", 0755) < 0 || mkdir("dev", 0755) < 0 || mkdir("proc", 0755) < 0 ||
		mkdir("tmp", 0755) < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < SYSTEM_NAMES; i++) {
		if (v->host[i].link[0])
			r = symlink(v->host[i].link, system_names[i]) < 0 ? -errno : 0;
		else
			r = attach(v->host[i].fd, system_names[i], v->host[i].is_dir);
	}
	if (r == 0)
		r = attach(v->null, "dev/null", false);
	if (r == 0)
		r = attach(v->target, &LXE_CONFINED_TARGET[1], true);
	if (r == 0)
		r = attach(v->work, &LXE_CONFINED_WORK[1], true);
	if (r == 0)
		r = attach(v->source, &LXE_CONFINED_SOURCE[1], true);
	if (r < 0)
		return r;
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) < 0)
		return -errno;
	return 0;
}

static int leave_old_root(void)
{
	if (mount(NULL, ".", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) <
		0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int move_in(const struct view *v, struct lxe_err *err)
{
	int r;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return lxe_fail(err, -errno, "make namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return lxe_fail(err, -errno, "detach from the host's mount namespace");
	if (mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0 ||
		chdir(PLACE) < 0)
		return lxe_fail(err, -errno, "mount the root of the unpacking");
	r = furnish(v);
	if (r == 0)
		r = leave_old_root();
	return r < 0 ? lxe_fail(err, r, "make the root of the unpacking") : 0;
}

/* The last steps: from here on only files of the target can be changed. */
static int drop(const struct view *v, int parent, struct lxe_err *err)
{
	int r;

	if (v->userns >= 0 && setns(v->userns, CLONE_NEWUSER) < 0)
		return lxe_fail(err, -errno, "enter the user namespace");
	if (setgroups(0, NULL) < 0)
		return lxe_fail(err, -errno, "drop the groups");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return lxe_fail(err, -errno, "become root of the user namespace");
	r = sys_caps_bound(CAPS);
	if (r == 0)
		r = sys_caps_set(CAPS);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = lxe_worker_stay(parent);
	return r < 0 ? lxe_fail(err, r, "drop privileges") : 0;
}

int lxe_confined_enter(const struct lxe_confined *c, int parent, struct lxe_err *err)
{
	struct view v = {
		.null = -EBADF,
		.target = -EBADF,
		.work = -EBADF,
		.source = -EBADF,
		.userns = c->userns,
	};
	int r;

	for (size_t i = 0; i < SYSTEM_NAMES; i++)
		v.host[i].fd = -EBADF;
	r = clone_all(c, &v, err);
	if (r == 0)
		r = move_in(&v, err);
	if (r == 0)
		r = drop(&v, parent, err);
	release(&v);
	return r;
}
