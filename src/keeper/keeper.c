#include "keeper/keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/seat.h"
#include "keeper/teardown.h"
#include "keeper/view.h"
#include "proto/record.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define REQUEST_TIMEOUT_MS 10000
#define OPEN_FILES 256	 /* needed */
#define MANY_FILES 16384 /* a dozen for every command */
#define CLIENT_END_MS 1000

/* An illegal step is a bug of ours: better to end, and be cleaned up after, than to go on. */
void lxe_keeper_move(struct lxe_keeper *k, enum lxe_state to)
{
	if (lxe_state_move(&k->state, to) < 0)
		abort();
	/* That it has ended is written when it has: with how (lxe_teardown()), or not at all. */
	if (to < LXE_STOPPED)
		k->now.state = to;
	k->now.pid = k->main ? k->main->pid : 0;
	k->now.started_at_ms = k->main ? k->main->outcome.started_at_ms : 0;
	k->now.idmap_start = lxe_idmap_host(&k->idmap, 0);
	/* For whoever looks; a full disk must not end what runs. */
	if (k->live >= 0 && to < LXE_STOPPED)
		lxe_live_write(k->live, &k->now);
	lxe_metrics_moved(k);
}

void lxe_keeper_lap(struct lxe_keeper *k, enum lxe_span span)
{
	uint64_t now = sys_now_us();

	k->outcome.spans_us[span] = now > k->lap_us ? now - k->lap_us : 0;
	k->lap_us = now;
}

/* Descriptors 100 and above are used on the way to pid 1: a caller's low limit is for the command. */
static int raise_descriptor_limit(struct lxe_keeper *k, struct lxe_err *err)
{
	struct rlimit ours;

	if (getrlimit(RLIMIT_NOFILE, &k->nofile) < 0)
		return lxe_fail(err, -errno, "read the limit of open files");
	ours = k->nofile;
	if (ours.rlim_cur >= MANY_FILES)
		return 0;
	if (ours.rlim_max < OPEN_FILES)
		ours.rlim_max = OPEN_FILES;
	ours.rlim_cur = ours.rlim_max < MANY_FILES ? ours.rlim_max : MANY_FILES;
	if (setrlimit(RLIMIT_NOFILE, &ours) == 0)
		return 0;
	lxe_hint(err, "ulimit -n %d, or more", OPEN_FILES);
	return lxe_fail(err, -errno, "raise the limit of open files to %d", OPEN_FILES);
}

static bool has_request(const struct lxe_keeper *k)
{
	return k->main || k->stopping;
}

int lxe_keeper_await_request(struct lxe_keeper *k, enum lxe_msg_type type, struct lxe_err *err)
{
	int r;

	r = lxe_keeper_wait_until(k, has_request, REQUEST_TIMEOUT_MS);
	if (r == 0 && !k->main)
		r = -ECANCELED;
	else if (r == 0 && k->main->request.type != type)
		r = -EPROTO;
	if (r < 0)
		lxe_fail(err, r, "wait for the client's request");
	return r;
}

/* Until the command has ended, and what it has printed is delivered. */
static int supervise(struct lxe_keeper *k)
{
	int r = 0;

	while (!k->over && r >= 0) {
		r = lxe_loop_turn(k->loop, -1);
		lxe_keeper_sweep(k, false);
	}
	return r;
}

static void send_created(struct lxe_keeper *k)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_CREATED);
	msg.pid = k->main->pid;
	lxe_channel_send(k->main->client, &msg);
}

static int serve(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	r = lxe_keeper_create(k, err);
	if (r < 0)
		return r;
	lxe_keeper_lap(k, LXE_SPAN_ATTACH);
	lxe_keeper_move(k, LXE_CREATED);
	if (k->main->request.flags & LXE_CREATE_START)
		lxe_keeper_start(k->main);
	else
		send_created(k);
	r = supervise(k);
	if (r < 0)
		return lxe_fail(err, r, "wait for events");
	/* Ended while it was parked. */
	if (k->state == LXE_CREATED)
		lxe_keeper_move(k, LXE_STOPPED);
	lxe_keeper_lap(k, LXE_SPAN_EXEC);
	lxe_cow_settle(k);
	return lxe_keeper_write_learnt(k, err);
}

static void fail(struct lxe_keeper *k, const struct lxe_err *err)
{
	struct lxe_outcome *o = k->main ? &k->main->outcome : &k->outcome;

	if (k->state != LXE_FAILED)
		lxe_keeper_move(k, LXE_FAILED);
	o->error = LXE_EXIT_ERROR;
	lxe_outcome_take_err(o, err);
}

/* How the sandbox ended is how its command did. */
static void settle(struct lxe_keeper *k)
{
	uint64_t spans[LXE_SPANS];

	k->outcome.cause = k->stopping ? LXE_CAUSE_KILLED : LXE_CAUSE_ERROR;
	k->outcome.signal = k->stop_signal ? k->stop_signal : SIGKILL;
	if (k->main) {
		memcpy(spans, k->outcome.spans_us, sizeof(spans));
		lxe_process_judge(k->main);
		k->outcome = k->main->outcome;
		memcpy(k->outcome.spans_us, spans, sizeof(spans));
	}
	k->outcome.ended_at_ms = sys_epoch_ms();
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
	const char *run = getenv("LXC_EXEC_RUN_DIR"), *state = getenv("LXC_EXEC_STATE_DIR");
	struct lxe_dirs dirs = { 0 };
	LXE_AUTOCLOSE int client = -EBADF;

	if (!k->creator_gone || !run || !state ||
		lxe_format(dirs.run, sizeof(dirs.run), "%s", run) < 0 ||
		lxe_format(dirs.state, sizeof(dirs.state), "%s", state) < 0)
		return;
	/* Its end of the socket may close before its lock does: with the process both are gone. */
	client = sys_pidfd_open(k->creator);
	if (client >= 0)
		sys_pidfd_wait(client, CLIENT_END_MS);
	lxe_gc(&dirs, 0, ignore_report, NULL, NULL);
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
		.keep = lxe_cow_keeps(k) && k->established && !k->destroy,
		.result = k->main ? k->main->request.fds[LXE_FD_RESULT] : -EBADF,
	};
	if (t.keep)
		lxe_seat_save(k->main);
	if (k->sandbox.dir < 0) {
		collect_unclaimed(k);
		k->outcome.teardown_ok = true;
		lxe_keeper_move(k, LXE_GONE);
		return;
	}
	lxe_container_free(take_ptr(k->container));
	if (k->main) {
		/* While its number is its own: a copy of it elsewhere would keep it in the loop, and hung up. */
		lxe_loop_remove(k->loop, &k->main->drained_by_us);
		lxe_pty_release(&k->main->pty);
	}
	lxe_image_release(&k->image);
	/*
	 * All of it side by side: these wait for the kernel. None has to succeed: the replay takes back
	 * and kills whatever is left, and the view ends with us.
	 */
	t.network = lxe_network_undo(k);
	lxe_keeper_kill_container(k);
	lxe_view_leave(k->host_view);
	t.lingering = !lxe_keeper_await_end(k);
	lxe_teardown(&t);
	lxe_keeper_move(k, LXE_GONE);
}

static void release(struct lxe_keeper *k)
{
	lxe_keeper_clean_up(k);
	lxe_cgroup_leaf_free(k->init_leaf);
	lxe_cgroup_free(k->cgroup);
	lxe_cgroup_host_free(k->cgroups);
	lxe_filter_release(&k->filter);
	free(k->learnt);
	lxe_drop_fd(&k->host_view);
	lxe_drop_fd(&k->live);
}

/*
 * In a mount namespace of our own the client's descriptor still leads to the host's mounts, of which
 * nothing can be mounted here.
 */
static int reopen_parent(struct lxe_sandbox *s)
{
	const char *const bases[] = { getenv("LXC_EXEC_RUN_DIR"), getenv("LXC_EXEC_STATE_DIR") };
	struct stat wanted, st;

	if (fstat(s->parent, &wanted) < 0)
		return -errno;
	for (size_t i = 0; i < 2; i++) {
		LXE_AUTOCLOSE int fd = bases[i] ? lxe_sandbox_open_parent(bases[i]) : -EBADF;

		if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != wanted.st_dev ||
			st.st_ino != wanted.st_ino)
			continue;
		lxe_close(s->parent);
		s->parent = take_fd(&fd);
		return 0;
	}
	return -ESTALE;
}

static int adopt(struct lxe_keeper *k, char *title, struct lxe_err *err)
{
	int *fds = k->main->request.fds, r;

	r = lxe_sandbox_adopt(&k->sandbox, take_fd(&fds[LXE_FD_PARENT]), take_fd(&fds[LXE_FD_DIR]),
		k->main->request.id, err);
	if (r < 0)
		return r;
	if (lxe_is_rootless())
		r = reopen_parent(&k->sandbox);
	if (r < 0)
		return lxe_fail(err, r, "open the directory of sandbox '%s'", k->sandbox.id);
	memcpy(k->outcome.id, k->sandbox.id, sizeof(k->outcome.id));
	memcpy(k->main->outcome.id, k->sandbox.id, sizeof(k->outcome.id));
	memcpy(title, k->sandbox.id, LXE_ID_LEN);
	if (k->established)
		lxe_life_resume(k);
	k->live = lxe_live_open(k->sandbox.dir);
	k->now.keeper = getpid();
	if (k->live < 0 || lxe_live_write(k->live, &k->now) < 0)
		return lxe_fail(err, -ENOSPC, "write the state of sandbox '%s'", k->sandbox.id);
	return 0;
}

/* Who it is and what is to be executed, as its maker wrote it down. */
static int read_record(struct lxe_keeper *k, uint64_t *created_at_ms, struct lxe_err *err)
{
	struct lxe_record record = { 0 };
	struct lxe_process *p = k->main;
	int r = lxe_record_read(&record, k->sandbox.dir);

	if (r == 0)
		r = lxe_spec_decode(&p->spec, record.spec, record.spec_len);
	memcpy(k->nonce, record.nonce, sizeof(k->nonce));
	*created_at_ms = record.created_at_ms;
	lxe_record_release(&record);
	if (r < 0)
		return lxe_fail(err, r, "read the record of sandbox '%s'", k->sandbox.id);
	if (p->spec.name)
		snprintf(p->outcome.name, sizeof(p->outcome.name), "%s", p->spec.name);
	memcpy(k->outcome.name, p->outcome.name, sizeof(k->outcome.name));
	return 0;
}

static int begin(struct lxe_keeper *k, char *title, struct lxe_err *err)
{
	uint64_t created_at_ms = 0;
	int r;

	r = lxe_keeper_await_request(k, LXE_MSG_CREATE, err);
	if (r < 0)
		return r;
	/* From the first line on: what cannot be started again, or read, is kept as well. */
	k->main->spec.keep = k->established = k->main->request.flags & LXE_CREATE_AGAIN;
	r = adopt(k, title, err);
	if (r < 0)
		return r;
	k->lap_us = k->main->request.begun_us;
	lxe_keeper_lap(k, LXE_SPAN_SPAWN);
	r = read_record(k, &created_at_ms, err);
	if (r == 0)
		r = lxe_channels_listen(k, err);
	if (r < 0)
		return r;
	lxe_life_begin(k, k->established ? sys_epoch_ms() : created_at_ms);
	lxe_metrics_open(k);
	return serve(k, err);
}

int lxe_keeper_run(int control, char *title, const struct lxe_err *early)
{
	struct lxe_keeper k = {
		.sandbox = LXE_SANDBOX_NONE,
		.host_view = -EBADF,
		.live = -EBADF,
		.image = { .lock = -EBADF, .files = -EBADF },
		.outcome = { .bytes_out = -1, .created_at_ms = sys_epoch_ms() },
	};
	struct lxe_err err = *early;
	int r;

	r = lxe_keeper_set_up(&k, control, &err);
	if (r == 0)
		r = lxe_keeper_seclude(&err);
	if (r == 0)
		r = raise_descriptor_limit(&k, &err);
	if (r == 0)
		r = begin(&k, title, &err);
	if (r < 0)
		fail(&k, &err);
	lxe_life_end(&k);
	lxe_loop_clear_timer(k.loop, &k.rest);
	settle(&k);
	tear_down(&k);
	/* Before anybody is told: what is kept is free for the next verb. */
	lxe_sandbox_release(&k.sandbox);
	lxe_metrics_close(&k);
	lxe_keeper_sweep(&k, true);
	lxe_keeper_send_done(&k);
	/* From here on the directory says how it ended. */
	lxe_channels_close(&k);
	lxe_keeper_stay(&k);
	release(&k);
	return r;
}
