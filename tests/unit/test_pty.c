#include "terminal/pty.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/proc.h"

/* A directory descriptor of a fresh devpts instance that is mounted nowhere any more. */
static int private_devpts(void)
{
	char dir[] = "/tmp/lxe-test-devpts-XXXXXX";
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL), 0);
	cr_assert_eq(mount("devpts", dir, "devpts", 0, "newinstance,ptmxmode=0666"), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(umount2(dir, MNT_DETACH), 0);
	cr_assert_eq(rmdir(dir), 0);
	return fd;
}

static void check_pair(const struct lxe_pty *pty, uid_t uid, gid_t gid)
{
	struct termios tio;
	struct stat st;

	cr_assert(fcntl(pty->master, F_GETFD) & FD_CLOEXEC);
	cr_assert(fcntl(pty->slave, F_GETFD) & FD_CLOEXEC);
	cr_assert(fcntl(pty->master, F_GETFL) & O_NONBLOCK);
	cr_assert_not(fcntl(pty->slave, F_GETFL) & O_NONBLOCK);
	cr_assert_eq(fstat(pty->slave, &st), 0);
	cr_assert_eq(st.st_uid, uid);
	cr_assert_eq(st.st_gid, gid);
	cr_assert_eq(st.st_mode & 07777, 0620);
	cr_assert_eq(tcgetattr(pty->slave, &tio), 0);
	cr_assert(tio.c_iflag & IUTF8);
	cr_assert(tio.c_iflag & ICRNL);
	cr_assert(tio.c_oflag & OPOST);
	cr_assert(tio.c_lflag & ICANON);
	cr_assert(tio.c_lflag & ECHO);
	cr_assert(tio.c_lflag & ISIG);
	cr_assert_eq(tio.c_cc[VEOF], 4);
	/* opened with O_NOCTTY: a session leader without a terminal has none still */
	cr_assert_lt(open("/dev/tty", O_RDWR | O_CLOEXEC), 0);
}

static void check_size(int fd, int rows, int cols)
{
	struct winsize ws;

	cr_assert_eq(ioctl(fd, TIOCGWINSZ, &ws), 0);
	cr_assert_eq(ws.ws_row, rows);
	cr_assert_eq(ws.ws_col, cols);
}

Test(pty, from_the_hosts_devpts)
{
	struct lxe_pty pty;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 0, 0, &err), 0);
	check_pair(&pty, geteuid(), getegid());
	check_size(pty.slave, 24, 80);
	lxe_pty_release(&pty);
	cr_assert_lt(pty.master, 0);
	cr_assert_lt(pty.slave, 0);
	lxe_pty_release(&pty);
}

Test(pty, from_a_devpts_of_its_own)
{
	LXE_AUTOCLOSE int devpts = private_devpts();
	struct lxe_pty pty;
	struct lxe_err err = { 0 };
	struct stat st;
	unsigned int number = 99;

	cr_assert_eq(lxe_pty_open(&pty, devpts, 12345, 54321, 50, 132, &err), 0, "%s", err.msg);
	check_pair(&pty, 12345, 54321);
	check_size(pty.master, 50, 132);
	cr_assert_eq(ioctl(pty.master, TIOCGPTN, &number), 0);
	cr_assert_eq(number, 0);
	cr_assert_eq(fstatat(devpts, "0", &st, 0), 0);
	cr_assert_eq(st.st_uid, 12345);
	lxe_pty_release(&pty);
}

Test(pty, sizes_from_one_cell_to_a_wall)
{
	const uint16_t sizes[][2] = { { 1, 1 }, { 200, 500 }, { 65535, 65535 } };
	struct lxe_pty pty;

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), sizes[i][0], sizes[i][1],
				     NULL),
			0);
		check_size(pty.slave, sizes[i][0], sizes[i][1]);
		lxe_pty_release(&pty);
	}
}

Test(pty, a_directory_that_is_no_devpts_is_refused)
{
	char dir[] = "/tmp/lxe-test-nodevpts-XXXXXX", path[64];
	struct lxe_pty pty = { .master = -5, .slave = -5 };
	struct lxe_err err = { 0 };
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(lxe_pty_open(&pty, fd, 0, 0, 0, 0, &err), -ENOENT);
	cr_assert(strstr(err.msg, "allocate a pty"));

	/* neither another device nor a way out of the directory */
	snprintf(path, sizeof(path), "%s/ptmx", dir);
	cr_assert_eq(mknod(path, S_IFCHR | 0666, makedev(1, 3)), 0);
	cr_assert_eq(lxe_pty_open(&pty, fd, 0, 0, 0, 0, NULL), -ENODEV);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink("/dev/ptmx", path), 0);
	cr_assert_eq(lxe_pty_open(&pty, fd, 0, 0, 0, 0, NULL), -ELOOP);
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(pty.master, -5);
	close(fd);
	rmdir(dir);
}

/* Exit status of a child that takes the slave as its controlling terminal. */
static int take_terminal(const struct lxe_pty *pty, bool leader_already)
{
	int status = -1;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (leader_already)
			setsid();
		if (lxe_pty_become_controlling(pty->slave) < 0)
			_exit(1);
		if (tcgetpgrp(pty->slave) != getpid() || getsid(0) != getpid())
			_exit(2);
		if (open("/dev/tty", O_RDWR | O_CLOEXEC) < 0)
			_exit(3);
		_exit(0);
	}
	cr_assert_eq(sys_wait(pid, &status), 0);
	return status;
}

Test(pty, becomes_the_controlling_terminal)
{
	struct lxe_pty pty;

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	cr_assert_eq(take_terminal(&pty, false), 0);
	lxe_pty_release(&pty);

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	cr_assert_eq(take_terminal(&pty, true), 0);
	lxe_pty_release(&pty);
}

Test(pty, only_a_terminal_becomes_controlling)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		_exit(lxe_pty_become_controlling(null) == -ENOTTY ? 0 : 1);
	}
	cr_assert_eq(sys_wait(pid, &status), 0);
	cr_assert_eq(status, 0);
}
