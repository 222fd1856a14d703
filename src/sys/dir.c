#include "sys/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"

int sys_open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

DIR *sys_dir_read(int fd, int *r)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		return dir;
	*r = fd < 0 ? fd : -errno;
	lxe_close(fd);
	return NULL;
}

const struct dirent *sys_dir_next(DIR *dir, int *r)
{
	const struct dirent *e;

	if (*r < 0)
		return NULL;
	do {
		errno = 0;
		e = readdir(dir);
	} while (e && sys_is_dots(e->d_name));
	/* A directory that is gone has no entries: reading it is ENOENT. */
	if (!e && errno && errno != ENOENT)
		*r = -errno;
	return e;
}

bool sys_is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}
