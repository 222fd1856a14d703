#include "terminal/rawtty.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/pty.h"

static struct lxe_pty open_pty(void)
{
	struct lxe_pty pty;

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 33, 99, NULL), 0);
	return pty;
}

static struct termios attr(int fd)
{
	struct termios tio;

	memset(&tio, 0, sizeof(tio));
	cr_assert_eq(tcgetattr(fd, &tio), 0);
	return tio;
}

static bool equal(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof(a->c_cc)) == 0;
}

static int enter(struct lxe_rawtty *t, int fd, struct lxe_err *err)
{
	int r = lxe_rawtty_prepare(t, fd, err);

	if (r == 0)
		lxe_rawtty_again(t);
	return r;
}

Test(rawtty, raw_and_back)
{
	struct lxe_pty pty = open_pty();
	struct termios before = attr(pty.slave), now;
	struct lxe_rawtty t;

	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	now = attr(pty.slave);
	cr_assert_not(now.c_lflag & (ICANON | ECHO | ISIG | IEXTEN));
	cr_assert_not(now.c_oflag & OPOST);
	cr_assert_not(now.c_iflag & (ICRNL | IXON));
	cr_assert(equal(&now, &t.raw));
	lxe_rawtty_leave(&t);
	now = attr(pty.slave);
	cr_assert(equal(&now, &before));
	lxe_pty_release(&pty);
}

Test(rawtty, typed_ahead_bytes_survive)
{
	struct lxe_pty pty = open_pty();
	struct lxe_rawtty t;
	char buf[16] = "";

	cr_assert_eq(sys_write(pty.master, "early", 5), 5);
	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	cr_assert_eq(sys_read(pty.slave, buf, sizeof(buf)), 5);
	cr_assert_str_eq(buf, "early");
	lxe_pty_release(&pty);
}

Test(rawtty, leaving_twice_does_not_undo_what_came_between)
{
	struct lxe_pty pty = open_pty();
	struct termios other, now;
	struct lxe_rawtty t;

	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	lxe_rawtty_leave(&t);
	other = attr(pty.slave);
	other.c_lflag &= ~(tcflag_t)ECHO;
	cr_assert_eq(tcsetattr(pty.slave, TCSANOW, &other), 0);
	lxe_rawtty_leave(&t);
	now = attr(pty.slave);
	cr_assert(equal(&now, &other));
	lxe_pty_release(&pty);
}

Test(rawtty, without_a_terminal_nothing_is_done)
{
	struct lxe_rawtty t = { .fd = -EBADF };
	struct lxe_err err = { 0 };
	int ends[2];

	lxe_rawtty_leave(&t);
	lxe_rawtty_again(&t);
	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(enter(&t, ends[0], &err), -ENOTTY);
	cr_assert(strstr(err.msg, "terminal"));
	cr_assert_eq(t.fd, -EBADF);
	close(ends[0]);
	close(ends[1]);
}

Test(rawtty, again_keeps_what_the_shell_set_meanwhile)
{
	struct lxe_pty pty = open_pty();
	struct termios shell, now;
	struct lxe_rawtty t;

	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	lxe_rawtty_leave(&t);
	shell = attr(pty.slave);
	shell.c_cc[VINTR] = 'x';
	cr_assert_eq(tcsetattr(pty.slave, TCSANOW, &shell), 0);
	lxe_rawtty_again(&t);
	now = attr(pty.slave);
	cr_assert(equal(&now, &t.raw));
	lxe_rawtty_leave(&t);
	now = attr(pty.slave);
	cr_assert(equal(&now, &shell));
	lxe_pty_release(&pty);
}

Test(rawtty, again_without_a_leave_does_not_save_what_is_raw)
{
	struct lxe_pty pty = open_pty();
	struct termios before = attr(pty.slave), now;
	struct lxe_rawtty t;

	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	lxe_rawtty_again(&t);
	lxe_rawtty_leave(&t);
	now = attr(pty.slave);
	cr_assert(equal(&now, &before));
	lxe_pty_release(&pty);
}

Test(rawtty, restore_if_restores_what_the_driver_left)
{
	struct lxe_pty pty = open_pty();
	struct termios before = attr(pty.slave), now;
	struct lxe_rawtty t;

	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	lxe_rawtty_restore_if(pty.slave, &t.raw, &t.saved);
	now = attr(pty.slave);
	cr_assert(equal(&now, &before));
	lxe_pty_release(&pty);
}

Test(rawtty, restore_if_leaves_alone_what_somebody_changed)
{
	struct lxe_pty pty = open_pty();
	struct termios other, now;
	struct lxe_rawtty t;

	cr_assert_eq(enter(&t, pty.slave, NULL), 0);
	other = attr(pty.slave);
	other.c_iflag |= ICRNL;
	cr_assert_eq(tcsetattr(pty.slave, TCSANOW, &other), 0);
	lxe_rawtty_restore_if(pty.slave, &t.raw, &t.saved);
	now = attr(pty.slave);
	cr_assert(equal(&now, &other));
	lxe_pty_release(&pty);
}

/*
 * In the background of its controlling terminal: neither stopped, nor does it undo the settings of
 * the shell that has the terminal now, unless they still are the raw ones.
 */
static void leave_in_background(bool shell_changed)
{
	struct lxe_pty pty = open_pty();
	struct termios before = attr(pty.slave), shell, now;
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		struct lxe_rawtty t;
		pid_t job;

		if (lxe_pty_become_controlling(pty.slave) < 0 || enter(&t, pty.slave, NULL) < 0)
			_exit(1);
		if (shell_changed) {
			shell = attr(pty.slave);
			shell.c_cc[VMIN] = 7;
			tcsetattr(pty.slave, TCSANOW, &shell);
		}
		job = fork();
		if (job == 0) {
			setpgid(0, 0);
			lxe_rawtty_leave(&t);
			_exit(0);
		}
		if (waitpid(job, &status, WUNTRACED) != job)
			_exit(2);
		_exit(WIFEXITED(status) ? 0 : 3);
	}
	cr_assert_eq(sys_wait(pid, &status), 0);
	cr_assert_eq(status, 0);
	now = attr(pty.slave);
	if (shell_changed)
		cr_assert_eq(now.c_cc[VMIN], 7);
	else
		cr_assert(equal(&now, &before));
	lxe_pty_release(&pty);
}

Test(rawtty, leaves_from_the_background)
{
	leave_in_background(false);
}

Test(rawtty, leaves_the_shells_settings_alone_in_the_background)
{
	leave_in_background(true);
}

Test(rawtty, size)
{
	struct lxe_pty pty = open_pty();
	uint16_t rows = 1, cols = 1;
	int ends[2];

	lxe_rawtty_size(pty.slave, &rows, &cols);
	cr_assert_eq(rows, 33);
	cr_assert_eq(cols, 99);
	cr_assert_eq(sys_pipe(ends), 0);
	lxe_rawtty_size(ends[0], &rows, &cols);
	cr_assert_eq(rows, 0);
	cr_assert_eq(cols, 0);
	close(ends[0]);
	close(ends[1]);
	lxe_pty_release(&pty);
}
