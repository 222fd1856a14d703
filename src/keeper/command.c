/* The command: put into the container, parked, released. See keeper.h and child.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/child.h"
#include "keeper/environment.h"
#include "keeper/keeper.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define PARK_TIMEOUT_MS 20000
#define TTY_GROUP 5 /* gid of "tty" inside, as devpts and Debian have it */

/* What the starter says: the command's pid, or why there is none. */
struct starter_report {
	pid_t pid;
	struct lxe_err err;
};

static int open_pty(struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOCLOSE int devpts = lxe_container_devpts(k->container);

	return lxe_pty_open(&k->pty, devpts, k->idmap.host_start, k->idmap.host_start + TTY_GROUP,
		k->spec.rows, k->spec.cols, err);
}

static void fill_stdio(const struct lxe_keeper *k, struct lxe_child *child)
{
	const int *fds = k->request.fds;

	child->terminal = k->spec.tty == LXE_TTY_ON;
	child->stdio[0] = child->terminal ? k->pty.slave : fds[LXE_FD_STDIN];
	child->stdio[1] = child->terminal ? k->pty.slave : fds[LXE_FD_STDOUT];
	child->stdio[2] = child->terminal ? k->pty.slave : fds[LXE_FD_STDERR];
}

/*
 * The starter: enters the command's cgroup, so that what it forks is born there, and attaches. It is
 * single-threaded and short-lived; with its end the keeper, a subreaper, becomes the parent.
 */
static void run_starter(struct lxe_keeper *k, struct lxe_child *child, pid_t keeper, int answer)
{
	struct starter_report report = { 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
		_exit(1);
	report.pid = lxe_cgroup_leaf_enter(k->command_leaf);
	if (report.pid < 0)
		lxe_fail(&report.err, report.pid, "enter the command's cgroup");
	else
		report.pid = lxe_container_attach(k->container, lxe_child_main, child, &report.err);
	sys_write_all(answer, &report, sizeof(report));
	_exit(0);
}

static int hear_starter(struct lxe_keeper *k, int answer, struct lxe_err *err)
{
	struct starter_report report;
	int r;

	r = lxe_keeper_wait(k, answer, PARK_TIMEOUT_MS);
	if (r < 0)
		return lxe_fail(err, r, "enter the container");
	if (sys_read(answer, &report, sizeof(report)) != (ssize_t)sizeof(report))
		return lxe_fail_msg(err, -EIO, "enter the container: the starter died");
	if (report.pid < 0) {
		if (err)
			*err = report.err;
		return report.pid;
	}
	lxe_keeper_know_command(k, report.pid);
	return 0;
}

/* Fork the starter and wait for its answer; the command's pid is known afterwards. */
static int start(struct lxe_keeper *k, struct lxe_child *child, struct lxe_err *err)
{
	LXE_AUTOCLOSE int reading = -EBADF, writing = -EBADF;
	pid_t keeper = getpid(), starter;
	int ends[2], r, ignored;

	r = sys_pipe(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the starter's pipe");
	reading = ends[0];
	writing = ends[1];
	starter = sys_fork_into(lxe_cgroup_leaf_fork_fd(k->command_leaf));
	if (starter < 0)
		return lxe_fail(err, starter, "fork into the command's cgroup");
	if (starter == 0)
		run_starter(k, child, keeper, writing);
	lxe_drop_fd(&writing);
	r = hear_starter(k, reading, err);
	if (r == 0)
		sys_wait(starter, &ignored);
	return r;
}

static int describe(
	const struct lxe_keeper *k, const struct lxe_child_report *report, struct lxe_err *err)
{
	char what[256] = "";

	if (report->step == LXE_CHILD_EXEC)
		lxe_escape(what, sizeof(what), k->spec.argv.v[0], strlen(k->spec.argv.v[0]));
	else if (report->step == LXE_CHILD_CWD && k->spec.cwd)
		lxe_escape(what, sizeof(what), k->spec.cwd, strlen(k->spec.cwd));
	if (what[0])
		return lxe_fail(
			err, report->error, "%s '%s'", lxe_child_step_name(report->step), what);
	return lxe_fail(err, report->error, "%s", lxe_child_step_name(report->step));
}

static int await_park(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_child_report report;
	int r;

	r = lxe_keeper_wait(k, k->command.report, PARK_TIMEOUT_MS);
	if (r < 0)
		return lxe_fail(err, r, "park the command");
	if (sys_read(k->command.report, &report, sizeof(report)) != (ssize_t)sizeof(report))
		return lxe_fail_msg(err, -EIO, "park the command: its process died");
	if (report.step != LXE_CHILD_PARKED) {
		r = describe(k, &report, err);
		if (report.step == LXE_CHILD_CWD)
			lxe_hint(err, "name a directory that exists inside with -w DIR");
		return r;
	}
	return 0;
}

/* Pipes whose keeper's ends stay in *k, and whose other ends are the child's. */
static int make_pipes(struct lxe_keeper *k, struct lxe_child *child, struct lxe_err *err)
{
	int ends[2], r;

	r = sys_pipe(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the report pipe");
	k->command.report = ends[0];
	child->report = ends[1];
	r = sys_pipe(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the release pipe");
	child->release = ends[0];
	k->command.release = ends[1];
	return 0;
}

static int park_with(struct lxe_keeper *k, struct lxe_child *child, struct lxe_err *err)
{
	int r;

	r = make_pipes(k, child, err);
	if (r < 0)
		return r;
	return start(k, child, err);
}

int lxe_command_park(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_strv env = { 0 };
	struct lxe_child child = { .report = -EBADF, .release = -EBADF, .filter = &k->filter };
	int r = 0;

	if (k->spec.tty == LXE_TTY_ON)
		r = open_pty(k, err);
	if (r == 0)
		r = lxe_environment(&env, &k->spec, err);
	if (r < 0)
		goto out;
	child.nofile = k->nofile;
	child.argv = k->spec.argv.v;
	child.envp = env.v;
	child.cwd = k->spec.cwd ? k->spec.cwd : LXE_DEFAULT_CWD;
	fill_stdio(k, &child);
	r = park_with(k, &child, err);
	/*
	 * Our copies would keep the caller's pipes open: end of file would not come. The slave stays:
	 * a command that closes its terminal and opens it again must not look like one that is gone.
	 */
	lxe_drop_fd(&child.report);
	lxe_drop_fd(&child.release);
	for (enum lxe_fd_role role = LXE_FD_STDIN; role <= LXE_FD_STDERR; role++)
		lxe_drop_fd(&k->request.fds[role]);
	if (r == 0)
		r = await_park(k, err);
out:
	lxe_strv_release(&env);
	return r;
}

/* Where execve failed the command is at fault, and the exit status says how. */
static int exec_failed(
	struct lxe_keeper *k, const struct lxe_child_report *report, struct lxe_err *err)
{
	bool found = report->error != -ENOENT && report->error != -ENOTDIR;

	k->outcome.error = found ? LXE_EXIT_NOEXEC : LXE_EXIT_NOTFOUND;
	describe(k, report, err);
	if (report->error == -EACCES || report->error == -ENOEXEC)
		lxe_hint(err, "the file must be a program for this machine with its x bit set");
	else if (!found)
		lxe_hint(err,
			"it must exist in image '%s'; names without '/' are looked up in PATH",
			k->spec.image);
	return report->error;
}

int lxe_command_release(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_child_report report;
	ssize_t n;
	int r;

	r = sys_write_all(k->command.release, "", 1);
	if (r < 0 && r != -EPIPE)
		return lxe_fail(err, r, "release the command");
	lxe_drop_fd(&k->command.release);
	/* End of file comes with the execve that closes the pipe, or with the end of the process. */
	r = lxe_keeper_wait(k, k->command.report, PARK_TIMEOUT_MS);
	if (r < 0)
		return lxe_fail(err, r, "execute the command");
	n = sys_read(k->command.report, &report, sizeof(report));
	lxe_drop_fd(&k->command.report);
	return n == (ssize_t)sizeof(report) ? exec_failed(k, &report, err) : 0;
}
