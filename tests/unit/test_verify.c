#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
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

#define STATUS(inherited, permitted, effective, bounding, ambient, nnp, filter)                  \
	"Name:\tx\nCapInh:\t" inherited "\nCapPrm:\t" permitted "\nCapEff:\t" effective          \
	"\nCapBnd:\t" bounding "\nCapAmb:\t" ambient "\nNoNewPrivs:\t" nnp "\nSeccomp:\t" filter \
	"\nSeccomp_filters:\t1\n"
#define CAPS "00000000a80425fb"
#define NONE "0000000000000000"

static void wrong(const struct lxe_confinement *asked, const char *status, const char *what)
{
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_verify_status(status, asked, &err), -EPERM, "%s", what);
	cr_assert(strstr(err.msg, what), "%s", err.msg);
}

Test(verify, every_part_of_the_confinement)
{
	struct lxe_filter filter = { .n = 1 }, no_filter = { 0 };
	struct lxe_confinement root = { .caps = 0xa80425fb, .root = true, .filter = &filter };
	struct lxe_confinement user = { .caps = 0xa80425fb, .filter = &filter };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_verify_status(STATUS(NONE, CAPS, CAPS, CAPS, NONE, "1", "2"), &root, &err),
		0, "%s", err.msg);
	cr_assert_eq(lxe_verify_status(STATUS(NONE, NONE, NONE, CAPS, NONE, "1", "2"), &user, &err),
		0, "%s", err.msg);
	wrong(&user, STATUS(NONE, CAPS, CAPS, CAPS, NONE, "1", "2"), "permitted capabilities");
	wrong(&root, STATUS(CAPS, CAPS, CAPS, CAPS, NONE, "1", "2"), "inheritable");
	wrong(&root, STATUS(NONE, CAPS, NONE, CAPS, NONE, "1", "2"), "effective");
	wrong(&root, STATUS(NONE, CAPS, CAPS, "000001ffffffffff", NONE, "1", "2"),
		"its bounding set: asked for a80425fb, it is 1ffffffffff");
	wrong(&root, STATUS(NONE, CAPS, CAPS, CAPS, CAPS, "1", "2"), "ambient");
	wrong(&root, STATUS(NONE, CAPS, CAPS, CAPS, NONE, "0", "2"), "no_new_privs");
	wrong(&root, STATUS(NONE, CAPS, CAPS, CAPS, NONE, "1", "0"), "filter");
	wrong(&root, "CapInh:\t" NONE "\n", "does not tell its inheritable");
	wrong(&root, "\nCapInh:\tzz\n", "does not tell its inheritable");
	root.filter = &no_filter;
	cr_assert_eq(lxe_verify_status(STATUS(NONE, CAPS, CAPS, CAPS, NONE, "1", "0"), &root, &err),
		0, "%s", err.msg);
}

Test(verify, new_privileges_take_a_capability_until_the_execve)
{
	struct lxe_filter filter = { .n = 1 };
	struct lxe_confinement user = { .caps = 0, .new_privs = true, .filter = &filter };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_verify_status(STATUS(NONE, "0000000000200000", "0000000000200000", NONE,
					       NONE, "0", "2"),
			     &user, &err),
		0, "%s", err.msg);
	wrong(&user, STATUS(NONE, NONE, NONE, NONE, NONE, "0", "2"), "permitted");
}

Test(verify, the_confinement_of_a_process)
{
	struct lxe_filter filter = { .n = 1 };
	struct lxe_confinement asked = { .caps = 1, .root = true, .filter = &filter };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_verify_confinement(getpid(), &asked, &err), -EPERM);
	cr_assert_lt(lxe_verify_confinement(INT_MAX, &asked, &err), 0);
	cr_assert_str_eq(err.msg, "park the command: its process died");
}

static void count(const char *status, const char *ours, int want)
{
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_verify_filters(status, ours, 1, &err), want, "%s", err.msg);
}

Test(verify, there_is_one_filter_more_than_ours)
{
	count("x:\t1\nSeccomp_filters:\t1\n", "x:\t1\nSeccomp_filters:\t0\n", 0);
	count("\nSeccomp_filters:\t13\n", "\nSeccomp_filters:\t12\n", 0);
	count("\nSeccomp_filters:\t0\n", "\nSeccomp_filters:\t0\n", -EPERM);
	count("\nSeccomp_filters:\t1\n", "\nSeccomp_filters:\t1\n", -EPERM);
	count("\nSeccomp_filters:\t3\n", "\nSeccomp_filters:\t1\n", -EPERM);
	count("\n", "\nSeccomp_filters:\t0\n", -EPERM);
	/* Before Linux 5.9 they are not counted. */
	count("\n", "\n", 0);
}
