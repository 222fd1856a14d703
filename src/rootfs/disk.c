#include "rootfs/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/loop.h"
#include "sys/proc.h"

static int fails(struct lxe_err *err, int r, const char *what)
{
	lxe_fail(err, r, "--disk for a sandbox that is kept: %s", what);
	if (r == -ENOENT || r == -ENXIO || r == -EPERM)
		lxe_hint(err, "it needs a loop device (modprobe loop) and mke2fs (apt-get install "
			      "e2fsprogs), or leave out --disk");
	return r;
}

static int make_filesystem(const char *name)
{
	static const char *const tools[] = { "/usr/sbin/mke2fs", "/sbin/mke2fs" };
	char *argv[] = { "mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E",
		"lazy_itable_init=1,nodiscard", (char *)name, NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	int status = 0, r = -ENOENT;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
	for (size_t i = 0; r == -ENOENT && i < sizeof(tools) / sizeof(tools[0]); i++)
		r = -posix_spawn(&pid, tools[i], &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		r = sys_wait(pid, &status);
	return r < 0 ? r : status == 0 ? 0 : -EIO;
}

/* An open file of that size with nothing in it but a filesystem. */
static int make(const char *name, uint64_t size)
{
	LXE_AUTOCLOSE int file =
		open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (file < 0 || ftruncate(file, (off_t)size) < 0)
		return -errno;
	r = make_filesystem(name);
	return r < 0 ? r : take_fd(&file);
}

static int mount_file(int file, const char *target, uint64_t size)
{
	LXE_AUTOCLOSE int device = sys_loop_attach(file, 0);
	struct statvfs vfs;
	char path[32];

	if (device < 0)
		return device;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
	if (mount(path, target, "ext4", MS_NODEV, "errors=remount-ro,noinit_itable") < 0)
		return -errno;
	if (statvfs(target, &vfs) < 0)
		return -errno;
	return vfs.f_blocks * vfs.f_frsize <= size ? 0 : -ERANGE;
}

int lxe_disk_mount(const char *name, const char *target, uint64_t size, struct lxe_err *err)
{
	LXE_AUTOCLOSE int file = -EBADF;
	int r;

	/* That of one that is started again is there. */
	file = open(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		file = errno == ENOENT ? make(name, size) : -errno;
	if (file < 0)
		return fails(err, file, "make its filesystem");
	r = mount_file(file, target, size);
	return r < 0 ? fails(err, r, "mount it") : 0;
}
