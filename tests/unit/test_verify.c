#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container/container.h"
#include "keeper/verify.h"
#include "sys/fd.h"

/* A process that is `flags` away from us, up to its end by SIGKILL. */
static pid_t unshared(int flags)
{
	int ends[2];
	pid_t pid;
	char byte;

	cr_assert_eq(sys_pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (unshare(flags) == 0 && sys_write(ends[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	cr_assert_eq(sys_read(ends[0], &byte, 1), 1, "unshare");
	close(ends[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(verify, shared_namespaces_are_named)
{
	int all = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWUSER;
	pid_t pid = unshared(all);
	struct lxe_err err = { 0 };
	siginfo_t info;

	cr_assert_eq(lxe_verify_namespaces(getpid(), &err), -EPERM);
	cr_assert(strstr(err.msg, "its cgroup namespace"), "%s", err.msg);
	cr_assert_eq(lxe_verify_namespaces(pid, &err), -EPERM);
	cr_assert(strstr(err.msg, "its cgroup namespace"), "%s", err.msg);
	end(pid);
	/* Its children would be in the new pid namespace, it is not. */
	pid = unshared(all | CLONE_NEWCGROUP | CLONE_NEWPID);
	cr_assert_eq(lxe_verify_namespaces(pid, &err), -EPERM);
	cr_assert(strstr(err.msg, "its pid namespace"), "%s", err.msg);
	end(pid);
	cr_assert_lt(lxe_verify_namespaces(pid, &err), 0, "of a process that is gone");
	/* A zombie has none any more. */
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	cr_assert_lt(lxe_verify_namespaces(pid, &err), 0);
	cr_assert_str_eq(err.msg, "park the command: its process died");
	end(pid);
}

static void run_child(pid_t monitor, bool lives)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (lives && getppid() == monitor)
		pause();
	_exit(0);
}

/* A monitor in the middle of liblxc's start: it has one child and does not wait for it. */
static pid_t monitor_of(bool child_lives)
{
	int ends[2];
	pid_t pid;
	char byte;

	cr_assert_eq(sys_pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		pid_t self = getpid(), child = fork();
		siginfo_t info;

		if (child == 0)
			run_child(self, child_lives);
		if (!child_lives)
			waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
		sys_write(ends[1], "", 1);
		pause();
		_exit(0);
	}
	close(ends[1]);
	cr_assert_eq(sys_read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static bool stalled(bool child_lives)
{
	pid_t monitor = monitor_of(child_lives);
	bool ret = lxe_container_stalled(monitor);

	end(monitor);
	return ret;
}

Test(stalled, only_with_a_dead_child)
{
	cr_assert(stalled(false));
	cr_assert_not(stalled(true));
	cr_assert_not(lxe_container_stalled(getpid()), "it has no child");
}
