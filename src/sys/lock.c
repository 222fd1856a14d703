#include "sys/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/num.h"

static int act(int fd, int command, short type, off_t start, off_t len, struct flock *ret)
{
	*ret = (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
	return fcntl(fd, command, ret) < 0 ? -errno : 0;
}

int sys_lock_range(int fd, off_t start, off_t len)
{
	struct flock lock;
	int r = act(fd, F_OFD_SETLK, F_WRLCK, start, len, &lock);

	/* POSIX leaves the choice between the two to the system. */
	return r == -EACCES ? -EAGAIN : r;
}

int sys_unlock_range(int fd, off_t start, off_t len)
{
	struct flock lock;

	return act(fd, F_OFD_SETLK, F_UNLCK, start, len, &lock);
}

int sys_range_is_locked(int fd, off_t start, off_t len)
{
	struct flock lock;
	int r = act(fd, F_OFD_GETLK, F_WRLCK, start, len, &lock);

	return r < 0 ? r : lock.l_type != F_UNLCK;
}

/* "1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF"; one who waits has "->" before its kind. */
static bool parse_flock(char *line, const char *object, struct sys_flock_holder *ret)
{
	char *words[6] = { NULL }, *rest = line;
	size_t n = 0;
	int pid;

	while (n < 6 && (words[n] = strtok_r(n ? NULL : line, " \n", &rest)))
		n++;
	if (n < 6 || strcmp(words[1], "FLOCK") != 0 || strcmp(words[5], object) != 0 ||
		lxe_parse_int(words[4], 0, INT_MAX, &pid) < 0)
		return false;
	*ret = (struct sys_flock_holder){ .pid = pid, .writes = strcmp(words[3], "WRITE") == 0 };
	return true;
}

int sys_flock_find(dev_t dev, ino_t ino, struct sys_flock_holder *ret)
{
	char line[256], object[64];
	FILE *f = fopen("/proc/locks", "re");
	int r = -ENOENT;

	if (!f)
		return -errno;
	snprintf(object, sizeof(object), "%02x:%02x:%lu", major(dev), minor(dev),
		(unsigned long)ino);
	while (r < 0 && fgets(line, sizeof(line), f))
		if (parse_flock(line, object, ret))
			r = 0;
	fclose(f);
	return r;
}
