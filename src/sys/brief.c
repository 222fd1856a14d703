#include "sys/brief.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/fd.h"

#define WAIT_NS 5000000L

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid /* timer_create(2); glibc before 2.38 names it so */
#endif

struct alarm {
	timer_t timer;
	struct sigaction action;
	sigset_t mask;
};

static void interrupt(int signal)
{
	(void)signal;
}

static int begin(struct alarm *a)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	/* Again and again: the first may come right before the call that it is to interrupt. */
	struct itimerspec when = { .it_value.tv_nsec = WAIT_NS, .it_interval.tv_nsec = WAIT_NS };
	struct sigaction action = { .sa_handler = interrupt };
	sigset_t set;

	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &a->timer) < 0)
		return -errno;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaction(SIGALRM, &action, &a->action);
	pthread_sigmask(SIG_UNBLOCK, &set, &a->mask);
	timer_settime(a->timer, 0, &when, NULL);
	return 0;
}

static void end(struct alarm *a)
{
	int saved = errno;

	timer_delete(a->timer);
	pthread_sigmask(SIG_SETMASK, &a->mask, NULL);
	sigaction(SIGALRM, &a->action, NULL);
	errno = saved;
}

static bool may_wait(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && !(flags & O_NONBLOCK) && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
}

ssize_t sys_write_brief(int fd, const void *buf, size_t len)
{
	struct pollfd polled = { .fd = fd, .events = POLLOUT };
	struct alarm alarm;
	ssize_t n;

	if (!may_wait(fd))
		return sys_write(fd, buf, len);
	if (poll(&polled, 1, 0) <= 0)
		return -EAGAIN;
	/* A page's room is what poll(2) promises of a pipe, whatever else is written to it meanwhile. */
	if (len > PIPE_BUF)
		len = PIPE_BUF;
	if (begin(&alarm) < 0)
		return -EAGAIN;
	n = write(fd, buf, len);
	if (n < 0)
		n = errno == EINTR ? -EAGAIN : -errno;
	end(&alarm);
	return n;
}
