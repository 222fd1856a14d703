#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/teardown.h"
#include "keeper/view.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/rawtty.h"

#define REQUEST_TIMEOUT_MS 10000
#define OPEN_FILES 256
#define CLIENT_END_MS 1000
#define SPEC_MAX (16 * 1024 * 1024)
/* The client ends its 200 ms of patience with late output itself; this is for one that cannot. */
#define DRAIN_TIMEOUT_MS 2000

static uint64_t epoch_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* An illegal step is a bug of ours: better to end, and be cleaned up after, than to go on. */
static void move(struct lxe_keeper *k, enum lxe_state to)
{
	if (lxe_state_move(&k->state, to) < 0)
		abort();
}

void lxe_keeper_lap(struct lxe_keeper *k, enum lxe_span span)
{
	uint64_t now = sys_now_us();

	k->outcome.spans_us[span] = now > k->lap_us ? now - k->lap_us : 0;
	k->lap_us = now;
}

int lxe_keeper_set_up(struct lxe_keeper *k, struct lxe_err *err)
{
	static const int handled[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		sigaddset(&set, handled[i]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	k->signals = -EBADF;
	k->timer = -EBADF;
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return lxe_fail(err, -errno, "block signals");
	k->signals = sys_signalfd(handled, sizeof(handled) / sizeof(handled[0]));
	if (k->signals < 0)
		return lxe_fail(err, k->signals, "receive signals");
	k->timer = sys_timer();
	if (k->timer < 0)
		return lxe_fail(err, k->timer, "make a timer");
	/* What a starter leaves behind, and what a dying monitor does, comes to us. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return lxe_fail(err, -errno, "become a subreaper");
	return 0;
}

/* Descriptors 100 and above are used on the way to pid 1: a caller's low limit is for the command. */
static int raise_descriptor_limit(struct lxe_keeper *k, struct lxe_err *err)
{
	struct rlimit ours;

	if (getrlimit(RLIMIT_NOFILE, &k->nofile) < 0)
		return lxe_fail(err, -errno, "read the limit of open files");
	ours = k->nofile;
	if (ours.rlim_cur >= OPEN_FILES)
		return 0;
	ours.rlim_cur = OPEN_FILES;
	if (ours.rlim_max < OPEN_FILES)
		ours.rlim_max = OPEN_FILES;
	if (setrlimit(RLIMIT_NOFILE, &ours) == 0)
		return 0;
	lxe_hint(err, "ulimit -n %d, or more", OPEN_FILES);
	return lxe_fail(err, -errno, "raise the limit of open files to %d", OPEN_FILES);
}

static int read_spec(struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	int r;

	r = sys_read_whole(k->request.fds[LXE_FD_SPEC], SPEC_MAX, &text, &len);
	if (r == 0)
		r = lxe_spec_decode(&k->spec, (unsigned char *)text, len);
	lxe_drop_fd(&k->request.fds[LXE_FD_SPEC]);
	if (r < 0)
		return lxe_fail(err, r, "read the spec");
	if (k->spec.name)
		snprintf(k->outcome.name, sizeof(k->outcome.name), "%s", k->spec.name);
	if (k->request.fds[LXE_FD_RING] < 0)
		return 0;
	r = lxe_ring_map(&k->ring, k->request.fds[LXE_FD_RING]);
	return r < 0 ? lxe_fail(err, r, "map the terminal's ring") : 0;
}

static int receive_request(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	r = lxe_keeper_wait(k, -1, REQUEST_TIMEOUT_MS);
	if (r < 0)
		return lxe_fail(err, r, "wait for the client's request");
	if (k->request.type != LXE_MSG_CREATE)
		return lxe_fail(err, -EPROTO, "wait for the client's request");
	return 0;
}

static void send_message(struct lxe_keeper *k, const struct lxe_msg *msg)
{
	/* A client that is gone is noticed by the next wait. */
	if (k->control >= 0)
		lxe_msg_send(k->control, msg);
}

static void send_started(struct lxe_keeper *k)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_STARTED);
	msg.pid = k->command.pid;
	if (k->pty.master >= 0) {
		msg.fds[LXE_FD_MASTER] = k->pty.master;
		msg.fds[LXE_FD_PROCS] = lxe_cgroup_leaf_procs_fd(k->command_leaf);
	}
	send_message(k, &msg);
}

static void end_command(struct lxe_keeper *k)
{
	if (lxe_cgroup_leaf_kill(k->command_leaf) < 0 && k->command.pid > 0)
		kill(k->command.pid, SIGKILL);
}

/* Until the command has ended; a stop or the deadline ends it. */
static void supervise(struct lxe_keeper *k)
{
	bool killed = false;

	while (!k->command.ended) {
		if ((k->timed_out || k->stopping) && !killed) {
			end_command(k);
			killed = true;
		}
		if (lxe_keeper_wait(k, -1, -1) < 0)
			break;
	}
	/* A deadline that came with the natural end, or after it, did not end anything. */
	sys_timer_set(k->timer, 0);
	k->timed_out = killed && k->timed_out;
}

/* With a terminal: what the command has printed is the client's to deliver before the pty ends. */
static void let_drain(struct lxe_keeper *k)
{
	struct lxe_msg msg;

	/* Ours was the last hold of the slave, but for what the command has left running. */
	lxe_drop_fd(&k->pty.slave);
	lxe_msg_init(&msg, LXE_MSG_EXITED);
	send_message(k, &msg);
	if (k->spec.tty != LXE_TTY_ON)
		return;
	while (!k->drained && !k->client_gone && !k->stopping)
		if (lxe_keeper_wait(k, -1, DRAIN_TIMEOUT_MS) < 0)
			break;
}

static int serve(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	r = lxe_keeper_create(k, err);
	if (r < 0)
		return r;
	lxe_keeper_lap(k, LXE_SPAN_ATTACH);
	move(k, LXE_CREATED);
	send_started(k);
	if (k->spec.timeout_ms)
		sys_timer_set(k->timer, k->spec.timeout_ms);
	k->outcome.started_at_ms = epoch_ms();
	r = lxe_command_release(k, err);
	if (r < 0)
		return r;
	move(k, LXE_RUNNING);
	supervise(k);
	move(k, LXE_STOPPED);
	let_drain(k);
	lxe_keeper_lap(k, LXE_SPAN_EXEC);
	return 0;
}

static void fail(struct lxe_keeper *k, const struct lxe_err *err)
{
	move(k, LXE_FAILED);
	snprintf(k->outcome.message, sizeof(k->outcome.message), "%s", err->msg);
	snprintf(k->outcome.hint, sizeof(k->outcome.hint), "%s", err->hint);
}

static void ignore_report(void *arg, const char *id, const char *residue)
{
	(void)arg;
	(void)id;
	(void)residue;
}

/*
 * The client makes the sandbox's directory while we are being loaded. Killed before it has handed it
 * over, it leaves a record that is nobody's: taken like any other such record.
 */
static void collect_unclaimed(const struct lxe_keeper *k)
{
	const char *run = getenv("LXC_EXEC_RUN_DIR");
	LXE_AUTOCLOSE int client = -EBADF;

	if (!k->client_gone || !run)
		return;
	/* Its end of the socket may close before its lock does: with the process both are gone. */
	client = sys_pidfd_open(k->client);
	if (client >= 0)
		sys_pidfd_wait(client, CLIENT_END_MS);
	lxe_gc(run, 0, ignore_report, NULL, NULL);
}

static void tear_down(struct lxe_keeper *k)
{
	struct lxe_teardown t = {
		.sandbox = &k->sandbox,
		.cgroups = k->cgroups,
		.reaped = lxe_keeper_reaped,
		.arg = k,
		.outcome = &k->outcome,
		.begun_us = sys_now_us(),
		.result = k->request.fds[LXE_FD_RESULT],
	};

	if (k->sandbox.dir < 0) {
		collect_unclaimed(k);
		k->outcome.teardown_ok = true;
		move(k, LXE_GONE);
		return;
	}
	lxe_container_free(take_ptr(k->container));
	lxe_pty_release(&k->pty);
	lxe_image_release(&k->image);
	/*
	 * pid 1 dies while the mounts of our own view end, which waits for the kernel's readers.
	 * Neither has to succeed: the replay kills whatever is left, and the view ends with us.
	 */
	if (k->init_leaf)
		lxe_cgroup_leaf_kill(k->init_leaf);
	lxe_view_leave(k->host_view);
	lxe_teardown(&t);
	move(k, LXE_GONE);
}

/*
 * The client restores its terminal itself and says so. One that is killed before that, however late,
 * leaves it to us: so the keeper of a terminal stays until it has heard, or the client is gone.
 */
static void await_bye(struct lxe_keeper *k)
{
	while (k->request.fds[LXE_FD_TTY] >= 0 && !k->bye && !k->client_gone)
		if (lxe_keeper_wait(k, -1, -1) < 0)
			break;
}

static void restore_terminal(struct lxe_keeper *k)
{
	if (k->client_gone && !k->bye && k->request.fds[LXE_FD_TTY] >= 0)
		lxe_rawtty_restore_if(
			k->request.fds[LXE_FD_TTY], &k->request.tty_raw, &k->request.tty_saved);
}

void lxe_keeper_send_done(struct lxe_keeper *k)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_DONE);
	msg.outcome = k->outcome;
	send_message(k, &msg);
}

static void release(struct lxe_keeper *k)
{
	lxe_sandbox_release(&k->sandbox);
	lxe_msg_release(&k->request);
	lxe_spec_release(&k->spec);
	lxe_ring_unmap(k->ring);
	lxe_cgroup_leaf_free(k->init_leaf);
	lxe_cgroup_leaf_free(k->command_leaf);
	lxe_cgroup_free(k->cgroup);
	lxe_cgroup_host_free(k->cgroups);
	lxe_filter_release(&k->filter);
	lxe_drop_fd(&k->host_view);
	lxe_drop_fd(&k->command.report);
	lxe_drop_fd(&k->command.release);
	lxe_drop_fd(&k->signals);
	lxe_drop_fd(&k->timer);
	lxe_drop_fd(&k->control);
}

static int adopt(struct lxe_keeper *k, char *title, struct lxe_err *err)
{
	int *fds = k->request.fds, r;

	r = lxe_sandbox_adopt(&k->sandbox, take_fd(&fds[LXE_FD_PARENT]), take_fd(&fds[LXE_FD_DIR]),
		k->request.id, err);
	if (r < 0)
		return r;
	memcpy(k->outcome.id, k->sandbox.id, sizeof(k->outcome.id));
	memcpy(title, k->sandbox.id, LXE_ID_LEN);
	return 0;
}

static int begin(struct lxe_keeper *k, char *title, struct lxe_err *err)
{
	int r;

	r = receive_request(k, err);
	if (r < 0)
		return r;
	r = adopt(k, title, err);
	if (r < 0)
		return r;
	k->lap_us = k->request.begun_us;
	lxe_keeper_lap(k, LXE_SPAN_SPAWN);
	r = read_spec(k, err);
	if (r < 0)
		return r;
	return serve(k, err);
}

int lxe_keeper_run(int control, char *title)
{
	struct lxe_keeper k = {
		.control = control,
		.client = getppid(),
		.sandbox = LXE_SANDBOX_NONE,
		.pty = { .master = -EBADF, .slave = -EBADF },
		.host_view = -EBADF,
		.image = { .lock = -EBADF },
		.command = { .report = -EBADF, .release = -EBADF },
		.outcome = { .bytes_out = -1, .created_at_ms = epoch_ms() },
	};
	struct lxe_err err = { 0 };
	int r;

	lxe_msg_init(&k.request, 0);
	r = lxe_keeper_set_up(&k, &err);
	if (r == 0)
		r = raise_descriptor_limit(&k, &err);
	if (r == 0)
		r = begin(&k, title, &err);
	if (r < 0)
		fail(&k, &err);
	k.outcome.ended_at_ms = epoch_ms();
	lxe_keeper_judge(&k);
	restore_terminal(&k);
	tear_down(&k);
	lxe_keeper_send_done(&k);
	await_bye(&k);
	restore_terminal(&k);
	release(&k);
	return r;
}
