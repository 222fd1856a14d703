/*
 * lxe_reopen(): a description of one's own where that is the same thing, and never a side effect.
 */
#include "terminal/rawtty.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fd.h"
#include "terminal/pty.h"

static struct lxe_pty open_pty(void)
{
	struct lxe_pty pty;

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	return pty;
}

/* Reopen and say whether the copy is non-blocking while the original is as it was. */
static int reopen(int fd, int mode, bool expect_nonblocking)
{
	int flags = fcntl(fd, F_GETFL);
	bool nonblocking = !expect_nonblocking;
	int own = lxe_reopen(fd, mode, &nonblocking);

	cr_assert_geq(own, 0);
	cr_assert_neq(own, fd);
	cr_assert_eq(nonblocking, expect_nonblocking);
	cr_assert_eq((fcntl(own, F_GETFL) & O_NONBLOCK) != 0, expect_nonblocking);
	cr_assert_eq(fcntl(fd, F_GETFL), flags);
	cr_assert(fcntl(own, F_GETFD) & FD_CLOEXEC);
	return own;
}

Test(reopen, pipes)
{
	int ends[2], in, out;
	char c = 0;

	cr_assert_eq(sys_pipe(ends), 0);
	in = reopen(ends[0], O_RDONLY, true);
	out = reopen(ends[1], O_WRONLY, true);
	cr_assert_eq(sys_read(in, &c, 1), -EAGAIN);
	cr_assert_eq(sys_write(out, "x", 1), 1);
	cr_assert_eq(sys_read(in, &c, 1), 1);
	close(out);
	close(ends[1]);
	cr_assert_eq(sys_read(in, &c, 1), 0);
	close(in);
	close(ends[0]);
}

Test(reopen, a_pipe_without_a_reader_still_gives_epipe)
{
	int ends[2], out;

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(sys_pipe(ends), 0);
	close(ends[0]);
	out = reopen(ends[1], O_WRONLY, true);
	cr_assert_eq(sys_write(out, "x", 1), -EPIPE);
	close(out);
	close(ends[1]);
}

/* An open of a named one is refused then (ENXIO, fifo(7)), so it is duplicated. */
Test(reopen, a_fifo_without_a_reader_still_gives_epipe)
{
	char dir[] = "/tmp/lxe-test-fifo-XXXXXX", path[64];
	int reader, fd, out;

	signal(SIGPIPE, SIG_IGN);
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(lxe_format(path, sizeof(path), "%s/fifo", dir), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	close(reader);
	out = reopen(fd, O_WRONLY, false);
	cr_assert_eq(sys_write(out, "x", 1), -EPIPE);
	close(out);
	close(fd);
	unlink(path);
	rmdir(dir);
}

Test(reopen, a_terminal)
{
	struct lxe_pty pty = open_pty();
	int in = reopen(pty.slave, O_RDONLY, true), out = reopen(pty.slave, O_WRONLY, true);
	char c;

	cr_assert_eq(sys_read(in, &c, 1), -EAGAIN);
	cr_assert_eq(sys_write(out, "x", 1), 1);
	cr_assert_eq(sys_read(pty.master, &c, 1), 1);
	/* O_NOCTTY: the worker is a session leader */
	cr_assert_lt(open("/dev/tty", O_RDWR | O_CLOEXEC), 0);
	close(in);
	close(out);
	lxe_pty_release(&pty);
}

Test(reopen, a_pty_master_is_not_made_anew)
{
	struct lxe_pty pty = open_pty();
	unsigned int number = 0, again = 1;
	int own = reopen(pty.master, O_RDWR, true);

	cr_assert_eq(ioctl(pty.master, TIOCGPTN, &number), 0);
	cr_assert_eq(ioctl(own, TIOCGPTN, &again), 0);
	cr_assert_eq(number, again);
	close(own);
	lxe_pty_release(&pty);
}

Test(reopen, a_regular_file_keeps_its_position_and_flags)
{
	int fd = sys_memfd("lxe-test", 0), own;
	char buf[8] = "";
	struct stat st;

	cr_assert_eq(sys_write(fd, "abcdef", 6), 6);
	cr_assert_eq(lseek(fd, 3, SEEK_SET), 3);
	own = reopen(fd, O_RDONLY, false);
	cr_assert_eq(sys_read(own, buf, 3), 3);
	cr_assert_str_eq(buf, "def");
	cr_assert_eq(lseek(fd, 0, SEEK_CUR), 6);
	close(own);

	own = reopen(fd, O_WRONLY, false);
	cr_assert_eq(sys_write(own, "ghi", 3), 3);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_size, 9);
	close(own);

	cr_assert_geq(fcntl(fd, F_SETFL, O_APPEND), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	own = reopen(fd, O_WRONLY, false);
	cr_assert_eq(sys_write(own, "jkl", 3), 3);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_size, 12);
	close(own);
	close(fd);
}

Test(reopen, dev_null)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), own = reopen(fd, O_RDONLY, true);
	char c;

	cr_assert_eq(sys_read(own, &c, 1), 0);
	close(own);
	close(fd);
}

Test(reopen, sockets_are_duplicated)
{
	int ends[2], own;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	own = reopen(ends[0], O_RDONLY, false);
	close(own);
	cr_assert_eq(sys_set_nonblock(ends[0], true), 0);
	own = reopen(ends[0], O_WRONLY, true);
	close(own);
	close(ends[0]);
	close(ends[1]);
}

Test(reopen, the_access_mode_is_no_wider_than_it_was)
{
	bool nonblocking;
	int ends[2];

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(lxe_reopen(ends[0], O_WRONLY, &nonblocking), -EBADF);
	cr_assert_eq(lxe_reopen(ends[1], O_RDONLY, &nonblocking), -EBADF);
	close(ends[0]);
	close(ends[1]);
	cr_assert_eq(lxe_reopen(-1, O_RDONLY, &nonblocking), -EBADF);
	cr_assert_eq(lxe_reopen(ends[0], O_RDONLY, &nonblocking), -EBADF);
}
