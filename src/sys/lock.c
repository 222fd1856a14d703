#include "sys/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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
