#include "terminal/rawtty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sys/fd.h"

/* Linux: Documentation/admin-guide/devices.txt */
#define DEV_NULL makedev(1, 3)

/* TCSANOW throughout: draining would wait for a terminal whose reader may be gone. */
static int set_attr(int fd, const struct termios *tio)
{
	int r;

	do {
		r = tcsetattr(fd, TCSANOW, tio);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int lxe_rawtty_prepare(struct lxe_rawtty *t, int fd, struct lxe_err *err)
{
	struct lxe_rawtty next = { .fd = fd };

	if (tcgetattr(fd, &next.saved) < 0)
		return lxe_fail(err, -errno, "read the terminal's settings");
	next.raw = next.saved;
	cfmakeraw(&next.raw);
	*t = next;
	return 0;
}

static bool same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

/* Change a terminal that is not ours at the moment without being stopped for it (termios(3)). */
static void set_attr_from_anywhere(int fd, const struct termios *tio)
{
	int saved_errno = errno;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	(void)set_attr(fd, tio);
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved_errno;
}

void lxe_rawtty_restore_if(int fd, const struct termios *raw, const struct termios *saved)
{
	int saved_errno = errno;
	struct termios now;

	if (tcgetattr(fd, &now) == 0 && same(&now, raw))
		set_attr_from_anywhere(fd, saved);
	errno = saved_errno;
}

/* Our controlling terminal, but another group's turn: its shell has taken it back. */
static bool in_background(int fd)
{
	int saved_errno = errno;
	pid_t group = tcgetpgrp(fd);

	errno = saved_errno;
	return group >= 0 && group != getpgrp();
}

void lxe_rawtty_leave(struct lxe_rawtty *t)
{
	if (t->fd < 0 || !t->is_raw)
		return;
	t->is_raw = false;
	if (in_background(t->fd))
		lxe_rawtty_restore_if(t->fd, &t->raw, &t->saved);
	else
		set_attr_from_anywhere(t->fd, &t->saved);
}

void lxe_rawtty_again(struct lxe_rawtty *t)
{
	struct termios now;

	if (t->fd < 0)
		return;
	/* Left before the stop: what the shell hands over now is what it wants back later. */
	if (!t->is_raw && tcgetattr(t->fd, &now) == 0)
		t->saved = now;
	t->is_raw = set_attr(t->fd, &t->raw) == 0;
}

void lxe_rawtty_continue(struct lxe_rawtty *t)
{
	if (t->fd >= 0 && !in_background(t->fd))
		lxe_rawtty_again(t);
}

void lxe_rawtty_size(int fd, uint16_t *rows, uint16_t *cols)
{
	struct winsize ws = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		ws = (struct winsize){ 0 };
	*rows = ws.ws_row;
	*cols = ws.ws_col;
}

static int duplicate(int fd, bool *nonblocking)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	*nonblocking = fcntl(copy, F_GETFL) & O_NONBLOCK;
	return copy;
}

/*
 * Where another open gives the same thing and nothing else happens. A regular file would begin at
 * its start again, a device may act on being opened, and a pty master would be a new pty.
 */
static bool can_reopen(int fd, const struct stat *st)
{
	unsigned int number;

	if (S_ISFIFO(st->st_mode))
		return true;
	if (!S_ISCHR(st->st_mode))
		return false;
	if (st->st_rdev == DEV_NULL)
		return true;
	return isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

static bool allows(int flags, int access_mode)
{
	int has = flags & O_ACCMODE;

	return has == O_RDWR || has == access_mode;
}

int lxe_reopen(int fd, int access_mode, bool *nonblocking)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	int own;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!allows(flags, access_mode))
		return -EBADF;
	if (!can_reopen(fd, &st))
		return duplicate(fd, nonblocking);
	own = sys_reopen(fd, access_mode | O_NONBLOCK);
	/* Another owner's tty or pipe, an exclusive tty, a pipe without a reader, no /proc. */
	if (own < 0)
		return duplicate(fd, nonblocking);
	*nonblocking = true;
	return own;
}
