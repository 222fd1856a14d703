#include "rootfs/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"
#include "sys/mount.h"

#define TEXT_MAX 65536

/* The directory, which is made where the image has none. */
static int open_etc(const char *rootfs, uid_t root)
{
	LXE_AUTOCLOSE int top = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (top < 0)
		return -errno;
	fd = sys_open_beneath(top, "etc");
	if (fd != -ENOENT)
		return fd;
	if (mkdirat(top, "etc", 0755) < 0 ||
		fchownat(top, "etc", root, root, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return sys_open_beneath(top, "etc");
}

static int put(int etc, const char *name, const char *text, uid_t root)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	int r;

	if (unlinkat(etc, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, text, strlen(text));
	if (r == 0 && (fchmod(fd, 0644) < 0 || fchown(fd, root, root) < 0))
		r = -errno;
	return r;
}

int lxe_etc_put(
	const char *rootfs, const char *name, const char *text, uid_t root, struct lxe_err *err)
{
	LXE_AUTOCLOSE int etc = open_etc(rootfs, root);
	int r = etc < 0 ? etc : put(etc, name, text, root);

	return r < 0 ? lxe_fail(err, r, "write '/etc/%s' of the sandbox", name) : 0;
}

int lxe_etc_get(const char *rootfs, const char *name, char **ret)
{
	LXE_AUTOCLOSE int top = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int etc = top < 0 ? -errno : sys_open_beneath(top, "etc");
	LXE_AUTOCLOSE int fd = -EBADF;
	struct stat st;
	size_t len = 0;

	if (etc >= 0)
		fd = openat(etc, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	*ret = NULL;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		sys_read_whole(fd, TEXT_MAX, ret, &len);
	if (!*ret)
		*ret = strdup("");
	return *ret ? 0 : -ENOMEM;
}
