#include "keeper/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cgroup/cgroup.h"
#include "rootfs/rootfs.h"
#include "sys/mount.h"

static int make_mount_point(const char *path, struct lxe_err *err)
{
	/* The mapped root has to pass, whatever the umask says. */
	if (mkdir(path, 0711) < 0 || chmod(path, 0711) < 0)
		return lxe_fail(err, -errno, "make the mount point '%s'", path);
	return 0;
}

static int attach(int mount, const char *path, struct lxe_err *err)
{
	int r;

	r = make_mount_point(path, err);
	if (r < 0)
		return r;
	r = sys_mount_attach(mount, AT_FDCWD, path);
	return r < 0 ? lxe_fail(err, r, "mount '%s'", path) : 0;
}

/*
 * A private copy of a directory's mount. As a plain copy it would be a peer of the host's where that
 * is shared (mount_namespaces(7)), and what is mounted below it would appear on the host.
 */
static int private_copy(int parent, const char *path)
{
	LXE_AUTOCLOSE int fd = sys_mount_clone(parent, path, false);
	int r;

	if (fd < 0)
		return fd;
	r = sys_mount_change(fd, false, 0, -EBADF);
	return r < 0 ? r : take_fd(&fd);
}

static int private_run(int kept, struct lxe_err *err)
{
	int r;

	if (mount("lxe", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711") < 0)
		return lxe_fail(err, -errno, "mount a private /run");
	r = make_mount_point(LXE_VIEW_ROOTFS, err);
	if (r == 0)
		r = make_mount_point(LXE_VIEW_DIR, err);
	if (r == 0 && kept >= 0)
		r = attach(kept, LXE_VIEW_KEPT, err);
	return r;
}

int lxe_view_enter(const struct lxe_sandbox *kept, int *host, struct lxe_err *err)
{
	LXE_AUTOCLOSE int directory = kept ? private_copy(kept->parent, kept->id) : -EBADF;
	int r;

	if (kept && directory < 0)
		return lxe_fail(err, directory, "open the directory of sandbox '%s'", kept->id);
	*host = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (*host < 0)
		return lxe_fail(err, -errno, "open the mount namespace");
	r = lxe_rootfs_unshare(err);
	if (r < 0)
		return r;
	r = private_run(directory, err);
	return r < 0 ? r : lxe_cgroup_hide(err);
}

int lxe_view_leave(int host)
{
	if (host < 0)
		return 0;
	return setns(host, CLONE_NEWNS) < 0 ? -errno : 0;
}
