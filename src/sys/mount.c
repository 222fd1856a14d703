#include "sys/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

int sys_mount_clone(int dirfd, const char *path, bool recursive)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	int fd;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (!*path)
		flags |= AT_EMPTY_PATH;
	fd = open_tree(dirfd, path, flags);
	return fd < 0 ? -errno : fd;
}

int sys_mount_change(int fd, bool recursive, uint64_t set, int userns)
{
	struct mount_attr attr = { .attr_set = set, .propagation = MS_PRIVATE };

	if (userns >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)userns;
	}
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr,
		    sizeof(attr)) < 0)
		return -errno;
	return 0;
}

int sys_mount_attach(int fd, int dirfd, const char *path)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH;

	if (!*path)
		flags |= MOVE_MOUNT_T_EMPTY_PATH;
	return move_mount(fd, "", dirfd, path, flags) < 0 ? -errno : 0;
}

int sys_openat2(int dirfd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC), .resolve = resolve };
	long fd = -1;

	/* EAGAIN: something was renamed meanwhile, and the kernel could not be sure. Whoever renames all the time could keep us here. */
	for (int i = 0; i < 64; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int sys_open_beneath(int dirfd, const char *path)
{
	return sys_openat2(dirfd, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int sys_open_in_root(int root, const char *path)
{
	return sys_openat2(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int sys_find_in_root(int root, const char *path, bool follow)
{
	return sys_openat2(root, path, O_PATH | (follow ? 0 : O_NOFOLLOW),
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int sys_find(const char *path)
{
	return sys_openat2(AT_FDCWD, path, O_PATH, RESOLVE_NO_MAGICLINKS);
}

int sys_filesystem_name(int fd, char *buf, unsigned int size)
{
	char line[4096], wanted[32];
	struct stat st;
	FILE *f;

	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(wanted, sizeof(wanted), " %u:%u ", major(st.st_dev), minor(st.st_dev));
	f = fopen("/proc/self/mountinfo", "re");
	if (!f)
		return -errno;
	snprintf(buf, size, "unknown");
	while (fgets(line, sizeof(line), f)) {
		const char *type = strstr(line, " - ");

		if (!type || !strstr(line, wanted))
			continue;
		snprintf(buf, size, "%.*s", (int)strcspn(type + 3, " \n"), type + 3);
		break;
	}
	fclose(f);
	return 0;
}
