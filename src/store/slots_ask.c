#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/slots_layout.h"
#include "sys/fd.h"
#include "sys/proc.h"

/* Nobody writes into it; what somebody has typed into it all the same must not report for ever. */
#define DRAIN_MAX 65536

int lxe_slots_ask(struct lxe_slots *s, uint64_t *since_us, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = -EBADF;

	*since_us = sys_now_us();
	fd = openat(s->dir, SLOTS_ASK, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	/* Missing, or without a reader: no keeper listens. */
	if (fd < 0 && errno != ENOENT && errno != ENXIO)
		return lxe_fail(err, -errno, "ask for fresh metrics");
	return 0;
}

static int open_fifo(int dir)
{
	int fd;

	if (mkfifoat(dir, SLOTS_ASK, 0600) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, SLOTS_ASK, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int lxe_slots_watch(const char *run, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int fd = dir < 0 ? -errno : open_fifo(dir);
	struct stat st;

	if (fd < 0)
		return lxe_fail(err, fd, "open '%s/" SLOTS_ASK "'", run);
	if (fstat(fd, &st) < 0)
		return lxe_fail(err, -errno, "look at '%s/" SLOTS_ASK "'", run);
	if (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		lxe_fail_msg(err, -EBADMSG, "'%s/" SLOTS_ASK "' is no FIFO of ours alone", run);
		lxe_hint(err, "remove it: it is made anew");
		return -EBADMSG;
	}
	return take_fd(&fd);
}

/*
 * A hang-up stays until the FIFO is opened anew. That comes first, so that whoever asks from now on
 * hangs the new description up; the path may be out of sight (a private /run), the descriptor is not.
 */
int lxe_slots_asked(int fd)
{
	LXE_AUTOCLOSE int again = -EBADF;
	char dropped[256];

	again = sys_reopen(fd, O_RDONLY | O_NONBLOCK);
	if (again < 0)
		return again;
	for (size_t got = 0; got < DRAIN_MAX; got += sizeof(dropped))
		if (sys_read(again, dropped, sizeof(dropped)) <= 0)
			break;
	return dup3(again, fd, O_CLOEXEC) < 0 ? -errno : 0;
}
