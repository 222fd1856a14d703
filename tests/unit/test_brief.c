#include "sys/brief.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "sys/fd.h"

/* With room for less than what is written write(2) waits, though poll(2) has called it writable. */
Test(brief, a_terminal_that_nobody_reads_is_not_waited_for, .timeout = 20)
{
	struct sigaction before = { .sa_handler = SIG_IGN }, after;
	char lines[4096], got[4096];
	int master, slave, idle = 0;
	size_t total = 0;
	ssize_t n;

	memset(lines, '\n', sizeof(lines));
	cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	sigaction(SIGALRM, &before, NULL);
	for (int i = 0; i < 1000 && idle < 3; i++) {
		n = sys_write_brief(slave, lines, 1000);
		cr_assert(n > 0 || n == -EAGAIN, "%zd", n);
		idle = n < 0 ? idle + 1 : 0;
		total += n > 0 ? (size_t)n : 0;
	}
	cr_assert_eq(idle, 3);
	cr_assert_gt(total, 1000);
	cr_assert_eq(sigaction(SIGALRM, NULL, &after), 0);
	cr_assert_eq(after.sa_handler, SIG_IGN);
	cr_assert_eq(sys_set_nonblock(master, true), 0);
	/* What it has said was written is there, each line with its CR. */
	for (total *= 2; total; total -= (size_t)n) {
		n = sys_read(master, got, total < sizeof(got) ? total : sizeof(got));
		cr_assert_gt(n, 0);
	}
	cr_assert_eq(sys_read(master, got, 1), -EAGAIN);
	close(master);
	close(slave);
}

Test(brief, what_takes_everything_gets_it)
{
	int file = sys_memfd("lxe-test", 0), null = open("/dev/null", O_WRONLY | O_CLOEXEC),
	    ends[2];
	static char zeros[100000];

	cr_assert_eq(sys_write_brief(file, zeros, sizeof(zeros)), (ssize_t)sizeof(zeros));
	cr_assert_gt(sys_write_brief(null, zeros, sizeof(zeros)), 0);
	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(sys_write_brief(ends[1], zeros, 100), 100);
	cr_assert_eq(sys_set_nonblock(ends[1], true), 0);
	cr_assert_gt(sys_write_brief(ends[1], zeros, sizeof(zeros)), 4096);
	cr_assert_eq(sys_write_brief(-EBADF, zeros, 1), -EBADF);
	close(file);
	close(null);
	close(ends[0]);
	close(ends[1]);
}
