/* How processes, and with them the sandbox, come to their end. See keeper.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "keeper/seat.h"
#include "sys/proc.h"

#define DRIVER_TIMEOUT_MS \
	2000	       /* the driver ends its patience itself; this is for one that cannot */
#define LINGER_MS 200  /* for late output of what the command left running */
#define READER_MS 2000 /* of what is ended by force, for who does not read what it has put out */

void lxe_keeper_finish(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	lxe_loop_clear_timer(k->loop, &p->life);
	lxe_loop_clear_timer(k->loop, &p->patience);
	p->finished = true;
	if (p == k->main)
		k->over = true;
}

static void patience_over(void *process)
{
	struct lxe_process *p = process;

	if (p->state == LXE_PROCESS_ENDED)
		lxe_keeper_finish(p);
	else
		lxe_process_kill(p);
}

static void signal_tree(const struct lxe_process *p, int signal)
{
	if (lxe_keeper_lacks_cgroup(p->keeper))
		lxe_process_signal_tree(p, signal);
	else if (lxe_cgroup_leaf_signal(p->leaf, signal) < 0)
		kill(p->pid, signal);
}

/*
 * All of them: a shell that waits for a child acts on its signal when the child has ended. One that is
 * stopped has to go on for that, and an interactive shell ends by no other than SIGHUP.
 */
static void ask_tree_to_end(const struct lxe_process *p)
{
	if (p->spec.tty == LXE_TTY_ON)
		kill(p->pid, SIGHUP);
	signal_tree(p, SIGTERM);
	signal_tree(p, SIGCONT);
}

void lxe_keeper_give_up_delivery(struct lxe_process *p)
{
	if (p->state != LXE_PROCESS_ENDED || p->finished)
		return;
	p->timed_out = true;
	lxe_keeper_finish(p);
}

static void life_over(void *process)
{
	struct lxe_process *p = process;

	/* A deadline that came with the natural end did not end anything, but for the wait for a reader. */
	if (p->reaped) {
		p->late = true;
		lxe_keeper_give_up_delivery(p);
		return;
	}
	p->timed_out = true;
	if (!p->spec.limits.grace_ms || p->state != LXE_PROCESS_RUNNING) {
		lxe_process_kill(p);
		return;
	}
	lxe_loop_set_timer(p->keeper->loop, &p->patience, p->spec.limits.grace_ms);
	ask_tree_to_end(p);
}

/*
 * The client has the limited output of a terminal: the record has its figures when the reader has it, who has
 * as much time as without a terminal.
 */
static bool awaits_reader(const struct lxe_process *p)
{
	return p->output.governor && p->client && p->driver == p->client && !p->claimant &&
	       !p->timed_out && !p->late;
}

static void await_output(struct lxe_process *p)
{
	struct lxe_loop *loop = p->keeper->loop;

	if (awaits_reader(p))
		return;
	lxe_loop_clear_timer(loop, &p->life);
	lxe_loop_set_timer(loop, &p->patience, p->driver ? DRIVER_TIMEOUT_MS : LINGER_MS);
	lxe_process_drain(p);
}

static void tell_starters(const struct lxe_process *p)
{
	for (struct lxe_channel *c = p->keeper->channels; c; c = c->next) {
		if (!c->starts || c->process != p)
			continue;
		c->starts = false;
		lxe_channel_say(c, LXE_MSG_OK);
	}
}

static void tell_exited(struct lxe_process *p)
{
	if (p->started && !p->outcome.error)
		lxe_channel_say(p->client, LXE_MSG_EXITED);
	if (p->driver && p->driver != p->client)
		lxe_channel_say(p->driver, LXE_MSG_EXITED);
}

void lxe_keeper_delivered(struct lxe_process *p)
{
	if (p->finished)
		return;
	tell_exited(p);
	lxe_keeper_finish(p);
}

static void ended(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	lxe_loop_clear_timer(k->loop, &p->patience);
	lxe_limits_unwatch(p);
	/* What it has started ends with it, wherever it hides. */
	if (p->timed_out && lxe_keeper_lacks_cgroup(k))
		lxe_process_kill_tree(p);
	else if (p->timed_out && p->leaf)
		lxe_cgroup_leaf_kill(p->leaf);
	p->outcome.ended_at_ms = sys_epoch_ms();
	if (p == k->main && k->state != LXE_FAILED)
		lxe_keeper_move(k, p->outcome.error ? LXE_FAILED : LXE_STOPPED);
	/* Ours was the last hold of the slave, but for what the command has left running. */
	lxe_drop_fd(&p->pty.slave);
	/* A reader who is slow has time, and who waits for the end hears of it then. */
	if (!lxe_output_end(p)) {
		if (p->stopping || p->timed_out || p->late)
			lxe_loop_set_timer(k->loop, &p->patience, READER_MS);
		return;
	}
	tell_exited(p);
	/* What the command has printed is its driver's to read before the pty ends. */
	if (p->spec.tty != LXE_TTY_ON || p->stopping || p->drained || p->hung_up ||
		p->outcome.error)
		lxe_keeper_finish(p);
	else
		await_output(p);
}

void lxe_keeper_hung_up(struct lxe_process *p)
{
	if (p->state == LXE_PROCESS_ENDED)
		lxe_keeper_finish(p);
}

static void send_started(struct lxe_process *p)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_STARTED);
	msg.pid = p->pid;
	if (p->pty.master >= 0) {
		msg.fds[LXE_FD_MASTER] = p->pty.master;
		msg.fds[LXE_FD_RING] = p->ring_fd;
		msg.fds[LXE_FD_PROCS] = lxe_look_procs(p);
	}
	msg.fds[LXE_FD_OUTPUT] = p->output.memory;
	lxe_channel_send(p->client, &msg);
}

static bool holds(const struct lxe_process *p)
{
	if (p->client->detached)
		return false;
	return p != p->keeper->main || !p->spec.keep || (p->request.flags & LXE_CREATE_HOLD);
}

void lxe_keeper_start(struct lxe_process *p)
{
	struct lxe_err err = { 0 };

	if (lxe_limits_watch(p, &err) < 0) {
		lxe_process_fail(p, &err);
		return;
	}
	p->started = true;
	if (p == p->keeper->main)
		p->keeper->established = true;
	/* Who asked for it reads its terminal; of one that is kept, the client's end is no end. */
	p->driver = p->client;
	if (p->client) {
		p->client->holds = holds(p);
		lxe_look_begin(p);
		send_started(p);
	}
	p->outcome.started_at_ms = sys_epoch_ms();
	p->life.passed = life_over;
	p->patience.passed = patience_over;
	if (p->spec.timeout_ms)
		lxe_loop_set_timer(p->keeper->loop, &p->life, p->spec.timeout_ms);
	lxe_process_release(p);
	lxe_process_drain(p);
}

/* Whoever is being put into the container needs room for its starter; who is in, does not. */
void lxe_keeper_count_starting(struct lxe_process *p, bool on)
{
	struct lxe_keeper *k = p->keeper;
	struct lxe_err err = { 0 };

	if (p->counted == on)
		return;
	p->counted = on;
	k->starting += on ? 1 : -1U;
	if (lxe_keeper_limit_pids(k, &err) < 0)
		lxe_process_fail(p, &err);
}

void lxe_keeper_moved(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	switch (p->state) {
	case LXE_PROCESS_NEW:
	case LXE_PROCESS_ENTERING:
	case LXE_PROCESS_PARKING:
	case LXE_PROCESS_RELEASED:
		break;
	case LXE_PROCESS_PARKED:
		lxe_keeper_count_starting(p, false);
		if (p == k->main)
			lxe_keeper_rest_soon(k);
		if (p == k->main || p->state != LXE_PROCESS_PARKED)
			break;
		/* Its end was asked for while there was nothing yet to find it by. */
		if (p->stopping)
			lxe_process_kill(p);
		else
			lxe_keeper_start(p);
		break;
	case LXE_PROCESS_RUNNING:
		if (p == k->main) {
			lxe_keeper_move(k, LXE_RUNNING);
			lxe_keeper_rest_soon(k);
		}
		tell_starters(p);
		if (p != k->main)
			lxe_metrics_publish(k);
		break;
	case LXE_PROCESS_ENDED:
		lxe_keeper_count_starting(p, false);
		if (p != k->main)
			lxe_metrics_publish(k);
		ended(p);
		break;
	}
}

/* By its stop signal: as a shell's terminal ends it, and as init does. */
static void ask_to_end(const struct lxe_process *p)
{
	if (p->spec.tty == LXE_TTY_ON)
		kill(p->pid, SIGHUP);
	kill(p->pid, SIGTERM);
}

void lxe_process_stop(struct lxe_process *p, int signal, uint64_t grace_ms)
{
	if (!p->stopping) {
		p->stopping = true;
		p->stop_signal = signal;
	}
	if (p->state == LXE_PROCESS_ENDED) {
		if (lxe_output_end(p))
			lxe_keeper_finish(p);
		else if (!p->patience.at_ms)
			lxe_loop_set_timer(p->keeper->loop, &p->patience, READER_MS);
	} else if (grace_ms && lxe_process_runs(p)) {
		lxe_loop_set_timer(p->keeper->loop, &p->patience, grace_ms);
		ask_to_end(p);
	} else {
		lxe_process_kill(p);
	}
}

void lxe_keeper_stop(struct lxe_keeper *k, int signal, uint64_t grace_ms)
{
	if (!k->stopping) {
		k->stopping = true;
		k->stop_signal = signal;
	}
	/* Who is parked, or not even that, is not waited for: the teardown ends it. */
	if (!k->main || k->main->state < LXE_PROCESS_RELEASED)
		k->over = true;
	else
		lxe_process_stop(k->main, signal, grace_ms);
}

void lxe_keeper_lost(struct lxe_channel *c)
{
	struct lxe_keeper *k = c->keeper;
	struct lxe_process *p = c->process;
	bool drove;

	lxe_life_used(k);
	if (!p) {
		/* The creator, before it has asked for anything. */
		k->creator_gone = true;
		lxe_keeper_stop(k, 0, 0);
		return;
	}
	drove = p->driver == c;
	lxe_seat_lost(c);
	if (p->client != c) {
		if (drove && p->state == LXE_PROCESS_ENDED && !p->finished && !p->driver)
			await_output(p);
		else if (p->started)
			lxe_process_drain(p);
		return;
	}
	p->client = NULL;
	if (c->holds && !p->finished) {
		if (p == k->main)
			lxe_keeper_stop(k, 0, 0);
		else
			lxe_process_stop(p, 0, 0);
	} else if (p->state == LXE_PROCESS_ENDED && !p->finished) {
		await_output(p);
	} else if (p->started) {
		lxe_process_drain(p);
	}
	lxe_process_restore_terminal(p);
}

static void answer(struct lxe_process *p)
{
	struct lxe_err err = { 0 };
	int result = p->request.fds[LXE_FD_RESULT];

	p->answered_done = true;
	lxe_output_end(p);
	lxe_process_judge(p);
	p->outcome.teardown_ok = true;
	if (result >= 0 && lxe_outcome_write(&p->outcome, result, &err) < 0) {
		p->outcome.cause = LXE_CAUSE_ERROR;
		p->outcome.error = LXE_EXIT_ERROR;
		snprintf(p->outcome.message, sizeof(p->outcome.message), "%s", err.msg);
	}
	if (p->client)
		lxe_channel_send_outcome(p->client, &p->outcome);
}

void lxe_keeper_sweep(struct lxe_keeper *k, bool all)
{
	struct lxe_process *next;

	for (struct lxe_process *p = k->processes; p; p = next) {
		next = p->next;
		if (p == k->main || !(p->finished || all))
			continue;
		if (!p->answered_done)
			answer(p);
		/* The keeper restores the caller's terminal if the client cannot. */
		if (p->client && !p->bye && p->request.fds[LXE_FD_TTY] >= 0)
			continue;
		lxe_channels_let_go(p);
		lxe_process_free(p);
	}
}

void lxe_keeper_send_done(struct lxe_keeper *k)
{
	/* What the driver has read last may not have been rung for yet. */
	if (k->main)
		lxe_seat_output(k->main);
	k->told = true;
	for (struct lxe_channel *c = k->channels; c; c = c->next)
		if (c->role && !c->behind &&
			(c->waits || c->starts || (k->main ? k->main->client == c : c->holds)))
			lxe_channel_send_outcome(c, &k->outcome);
}
