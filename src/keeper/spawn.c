/* A command's process: put into the container by a starter. See process.h and child.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/apparmor.h"
#include "keeper/child.h"
#include "keeper/delegation.h"
#include "keeper/environment.h"
#include "keeper/keeper.h"
#include "keeper/view.h"
#include "keeper/watcher.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/socket.h"

/*
 * Half of the limit more than what it uses itself (proc(5)): files in memory are nobody's, and without it
 * the monitor would be the largest in the sandbox's group, and its end everybody's.
 */
#define OOM_SCORE "500"
#define TTY_GROUP 5 /* gid of "tty" inside, as devpts and Debian have it */

static int open_terminal(struct lxe_process *p, struct lxe_err *err)
{
	const struct lxe_keeper *k = p->keeper;
	LXE_AUTOCLOSE int devpts = lxe_container_devpts(k->container);
	int r;

	r = lxe_ring_new(&p->ring, &p->ring_fd);
	if (r < 0)
		return lxe_fail(err, r, "make the terminal's ring");
	return lxe_pty_open(&p->pty, devpts, lxe_idmap_host(&k->idmap, p->user.uid),
		lxe_idmap_host(&k->idmap, TTY_GROUP), p->spec.rows, p->spec.cols, err);
}

static void fill_stdio(
	const struct lxe_process *p, const int limited[LXE_STREAMS], struct lxe_child *child)
{
	const int *fds = p->request.fds;

	child->terminal = p->spec.tty == LXE_TTY_ON;
	/* A terminal's slave comes with the word to go in: it is of the container's devpts. */
	for (int fd = 0; fd < 3; fd++)
		child->stdio[fd] = child->terminal ? -EBADF : fds[LXE_FD_STDIN + fd];
	for (enum lxe_stream i = LXE_STREAM_OUT; i < LXE_STREAMS; i++)
		if (limited[i] >= 0)
			child->stdio[STDOUT_FILENO + i] = limited[i];
}

/* False: nobody is left to give it, and nothing was entered yet. */
static bool await_word(struct lxe_child *child)
{
	int slave = -EBADF;
	size_t n = 1;
	char word;

	if (sys_recv(child->release, &word, sizeof(word), &slave, &n) != (ssize_t)sizeof(word))
		return false;
	for (int fd = 0; n && fd < 3; fd++)
		child->stdio[fd] = slave;
	return true;
}

/*
 * The starter: enters the command's cgroup, so that what it forks is born there, and goes into the container once
 * there is one. It is single-threaded and short-lived; with its end the keeper, a
 * subreaper, becomes the parent.
 */
static void run_starter(
	const struct lxe_process *p, struct lxe_child *child, pid_t keeper, int answer)
{
	struct lxe_starter_report report = { 0 };

	/* While its files in /proc are still its own. */
	if (p->keeper->main->spec.memory &&
		sys_write_file(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE) < 0)
		_exit(1);
	/* v1 lets an ordinary user move who is still himself, by a file that he has opened. */
	report.pid = lxe_cgroup_leaf_enter(p->leaf);
	/* Before the next line: a change of credentials would undo it. */
	if (lxe_is_rootless() && lxe_rootless_become_root() < 0)
		_exit(1);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
		_exit(1);
	/* For now: see lxe_container_enter(). */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		_exit(1);
	lxe_metrics_forget(p->keeper);
	if (report.pid < 0)
		lxe_fail(&report.err, report.pid, "enter the command's cgroup");
	else if (await_word(child))
		report.pid = lxe_container_enter(
			p->keeper->container, lxe_child_main, child, &report.err);
	else
		_exit(1);
	sys_write_all(answer, &report, sizeof(report));
	_exit(0);
}

/* Pipes whose keeper's ends stay in *p, and whose other ends are the starter's and the child's. */
static int make_pipes(
	struct lxe_process *p, struct lxe_child *child, int *answer, struct lxe_err *err)
{
	int ends[2], r;

	r = sys_pipe(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the starter's pipe");
	p->answer = ends[0];
	*answer = ends[1];
	r = sys_pipe(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the report pipe");
	p->report = ends[0];
	child->report = ends[1];
	r = sys_socketpair(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the release socket");
	child->release = ends[0];
	p->release = ends[1];
	return 0;
}

static int fork_starter(
	struct lxe_process *p, struct lxe_child *child, int answer, struct lxe_err *err)
{
	pid_t keeper = getpid(), starter;

	starter = sys_fork_into(lxe_cgroup_leaf_fork_fd(p->leaf));
	if (starter < 0)
		return lxe_fail(err, starter, "fork into the command's cgroup");
	if (starter == 0)
		run_starter(p, child, keeper, answer);
	return 0;
}

static int prepare(struct lxe_process *p, struct lxe_strv *env, struct lxe_err *err)
{
	int r;

	r = lxe_user_find(&p->user, p->spec.user, LXE_VIEW_DIR "/m", p->keeper->idmap.count, err);
	p->confinement = (struct lxe_confinement){
		.caps = p->spec.caps,
		.root = p->user.uid == 0,
		.new_privs = p->spec.new_privs,
		.filter = &p->keeper->filter,
		.watch = lxe_watcher_prepare(p),
	};
	if (r == 0)
		r = lxe_apparmor_choose(
			&p->confinement.apparmor, p->keeper->main->spec.apparmor, err);
	if (r == 0 && !p->leaf)
		r = lxe_cgroup_leaf_exec(&p->leaf, p->keeper->cgroup, p->number, err);
	return r < 0 ? r : lxe_environment(env, &p->spec, &p->user, err);
}

/*
 * Our copies would keep the caller's pipes open: end of file would not come. The slave stays: a
 * command that closes its terminal and opens it again must not look like one that is gone.
 */
static void let_go_of_stdio(struct lxe_process *p)
{
	for (enum lxe_fd_role role = LXE_FD_STDIN; role <= LXE_FD_STDERR; role++)
		lxe_drop_fd(&p->request.fds[role]);
}

int lxe_process_fork(struct lxe_process *p, int init, struct lxe_err *err)
{
	struct lxe_strv env = { 0 };
	struct lxe_child child = {
		.report = -EBADF,
		.release = -EBADF,
		.messenger = -EBADF,
		.covered = init,
		.covers = { -EBADF, -EBADF },
	};
	int limited[LXE_STREAMS] = { -EBADF, -EBADF };
	int answer = -EBADF, r;

	lxe_limits_count_from_here(p);
	r = lxe_process_refuse_to_hide(p, err);
	if (r == 0)
		r = prepare(p, &env, err);
	if (r == 0)
		r = lxe_output_open(p, limited, err);
	if (r == 0)
		r = lxe_output_begin(p, err);
	if (r == 0) {
		child.nofile = p->keeper->nofile;
		child.mark = lxe_keeper_lacks_cgroup(p->keeper);
		child.processes = lxe_delegation_pids(p->keeper->cgroups, &p->keeper->main->spec);
		child.argv = p->spec.argv.v;
		child.envp = env.v;
		child.cwd = p->spec.cwd ? p->spec.cwd : p->user.home;
		child.cwd_optional = !p->spec.cwd && p->user.uid != 0;
		child.first = p == p->keeper->main;
		child.deny = p->keeper->denied.n ? &p->keeper->denied : &p->spec.deny;
		child.confinement = p->confinement;
		child.uid = p->user.uid;
		child.gid = p->user.gid;
		fill_stdio(p, limited, &child);
		r = make_pipes(p, &child, &answer, err);
	}
	if (r == 0)
		r = lxe_learner_open(&p->learner, &child.messenger, err);
	if (r == 0 && child.first && p->spec.deny.n)
		r = lxe_covers_open(&child.covers, lxe_idmap_nobody(&p->keeper->idmap), err);
	if (r == 0)
		r = fork_starter(p, &child, answer, err);
	lxe_covers_close(&child.covers);
	lxe_close(answer);
	lxe_close(child.report);
	lxe_close(child.release);
	lxe_close(child.messenger);
	lxe_close(limited[LXE_STREAM_OUT]);
	lxe_close(limited[LXE_STREAM_ERR]);
	let_go_of_stdio(p);
	lxe_strv_release(&env);
	return r;
}

int lxe_process_enter(struct lxe_process *p, struct lxe_err *err)
{
	bool terminal = p->spec.tty == LXE_TTY_ON;
	int r = terminal ? open_terminal(p, err) : 0;

	if (r == 0)
		r = lxe_process_listen(p, err);
	if (r < 0)
		return r;
	r = sys_send(p->release, "", 1, &p->pty.slave, terminal);
	/* One that is gone has said why, or its end does. */
	if (r < 0 && r != -EPIPE)
		return lxe_fail(err, r, "let the starter go into the container");
	lxe_process_entering(p);
	return 0;
}

int lxe_process_spawn(struct lxe_process *p, struct lxe_err *err)
{
	int r = lxe_process_fork(p, -EBADF, err);

	return r < 0 ? r : lxe_process_enter(p, err);
}
