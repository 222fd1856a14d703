#include "sys/stamp.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>

#define PAUSE_MS 1
#define TRIES 100 /* a tick is 10 ms at most; a guest whose host is busy gets late ones */

static int touch(int fd, mode_t mode, struct timespec *ret)
{
	struct stat st;

	if (fchmod(fd, mode) < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_ctim;
	return 0;
}

static bool same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/*
 * No clock that one can read tells it: CLOCK_REALTIME is ahead of the stamps by a tick, or, when the machine is busy, by some
 * tens of ms; CLOCK_REALTIME_COARSE was they, until from Linux 6.13 on a file that somebody has looked at since its last
 * change gets a finer one, which is later, and no file one that is earlier than that. So it is taken from a file, the same way.
 * Where the second look shows no later time than the first, the next tick of the clock is waited for.
 */
int sys_stamp(int fd, struct timespec *ret)
{
	struct timespec first = { 0 };
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : touch(fd, st.st_mode & 07777, &first);

	if (r == 0)
		r = touch(fd, st.st_mode & 07777, ret);
	for (int i = 0; r == 0 && i < TRIES && same(*ret, first); i++) {
		poll(NULL, 0, PAUSE_MS);
		r = touch(fd, st.st_mode & 07777, ret);
	}
	return r;
}
