#include "container/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/mount.h"

static int check_directory(int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* A symlink that leads to nothing is there: -EEXIST, and nothing is made where it leads. */
static int make_one(int root, int parent, const char *path, const char *name, int *ret)
{
	int fd = sys_find_in_root(root, path, true);

	if (fd == -ENOENT && mkdirat(parent, name, 0755) < 0)
		return -errno;
	if (fd == -ENOENT)
		fd = sys_find_in_root(root, path, true);
	if (fd < 0)
		return fd;
	*ret = fd;
	return check_directory(fd);
}

/* `path` grows by one name at a time, so that `..` and symlinks are followed as the kernel does it. */
static int make_all(int root, char *path)
{
	LXE_AUTOCLOSE int parent = fcntl(root, F_DUPFD_CLOEXEC, 3);
	char name[NAME_MAX + 1], *at = path;
	int r = parent < 0 ? -errno : 0;

	while (r == 0 && *(at += strspn(at, "/"))) {
		size_t len = strcspn(at, "/");
		char *end = at + len, saved = *end;
		int fd = -EBADF;

		r = lxe_format(name, sizeof(name), "%.*s", (int)len, at);
		*end = '\0';
		if (r == 0)
			r = make_one(root, parent, path, name, &fd);
		*end = saved;
		at = end;
		if (fd >= 0) {
			lxe_close(parent);
			parent = fd;
		}
	}
	return r;
}

int lxe_workdir_make(const char *root, const char *cwd, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char path[PATH_MAX];
	int r = fd < 0 ? -errno : lxe_format(path, sizeof(path), "%s", cwd);

	if (r == 0)
		r = make_all(fd, path);
	return r < 0 ? lxe_fail(err, r, "make its working directory '%s'", cwd) : 0;
}
