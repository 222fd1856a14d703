#include "keeper/members.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/proc.h"

static pid_t first(int *pidfd, const int ends[2])
{
	pid_t pid = sys_fork_pidns(pidfd), child;

	cr_assert_geq(pid, 0, "%d", pid);
	if (pid)
		return pid;
	child = fork();
	if (child > 0)
		child = (pid_t)write(ends[1], "x", 1);
	for (int i = 0; i < 60 && child >= 0; i++)
		sleep(1);
	_exit(1);
}

Test(members, end_with_the_first, .timeout = 20)
{
	int pidfd, ends[2];
	char name[64], byte;
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = first(&pidfd, ends);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	cr_assert_geq(lxe_members_name(pid, name, sizeof(name)), 0);
	close(ends[1]);
	/* Nobody reaps it before the end: the end of the pipe is that of both. */
	cr_assert_eq(lxe_members_end(name, 5000), 0);
	cr_assert_eq(read(ends[0], &byte, 1), 0);
	cr_assert_eq(waitpid(pid, NULL, __WALL), pid);
	cr_assert_eq(lxe_members_end(name, 0), 0, "it is gone");
	close(pidfd);
	close(ends[0]);
}

Test(members, a_stranger_with_its_number_is_left_alone)
{
	char name[64];
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(name, sizeof(name), "/%d/1", pid);
	cr_assert_eq(lxe_members_end(name, 100), 0);
	cr_assert_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert_eq(lxe_members_name(pid, name, sizeof(name)), -ESRCH);
	for (const char *const *bad = (const char *const[]){ "/", "/1/2", "/x/2", "/2/",
		     "/99999999999/1", "/-2/1", NULL };
		*bad; bad++)
		cr_assert_eq(lxe_members_end(*bad, 0), -EBADMSG, "%s", *bad);
}

/* Shows itself as a fork of that sandbox's keeper, and prints until nobody reads. */
static pid_t titled(const char *id, const int ends[2])
{
	pid_t pid = fork();

	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl("/usr/bin/yes", LXE_KEEPER_NAME, id, (char *)NULL);
		_exit(1);
	}
	return pid;
}

/* Executes before it prints. */
static pid_t titled_by_now(const char *id)
{
	int ends[2];
	pid_t pid;
	char byte;

	cr_assert_eq(pipe(ends), 0);
	pid = titled(id, ends);
	cr_assert_eq(read(ends[0], &byte, 1), 1);
	return pid;
}

Test(members, end_the_forks_of_one_keeper, .timeout = 20)
{
	static const char *const ids[] = { "0123456789ab", "0123456789ab", "ba9876543210" };
	pid_t pids[3];
	int status;

	signal(SIGCHLD, SIG_IGN); /* as when they are somebody else's: nobody has to reap them */
	for (int i = 0; i < 3; i++)
		pids[i] = titled_by_now(ids[i]);
	cr_assert_eq(lxe_members_end_forks("0123456789ab", 5000), 0);
	cr_expect_neq(kill(pids[0], 0), 0);
	cr_expect_neq(kill(pids[1], 0), 0);
	cr_expect_eq(kill(pids[2], 0), 0);
	cr_assert_eq(lxe_members_end_forks("ba9876543210", 5000), 0);
	cr_expect_lt(waitpid(pids[2], &status, 0), 0);
}

/* Each of them has two seconds to end by itself. No other test has that id: they run at the same time. */
Test(members, forks_that_do_not_end_are_waited_for_at_once, .timeout = 20)
{
	uint64_t begun;
	pid_t pids[3];

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 3; i++)
		pids[i] = titled_by_now("ab0123456789");
	begun = sys_now_ms();
	cr_assert_eq(lxe_members_end_forks("ab0123456789", 5000), 0);
	cr_expect_lt(sys_now_ms() - begun, 4000);
	for (int i = 0; i < 3; i++)
		cr_expect_neq(kill(pids[i], 0), 0);
}
