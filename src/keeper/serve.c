/* What the keeper does for its clients, and when a process moves on. See keeper.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "sys/fd.h"

#define SPEC_MAX (16 * 1024 * 1024)
/* The client ends its 200 ms of patience with late output itself; this is for one that cannot. */
#define DRAIN_TIMEOUT_MS 2000

static void send_outcome(struct lxe_channel *c, const struct lxe_outcome *outcome)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_DONE);
	msg.outcome = *outcome;
	lxe_channel_send(c, &msg);
}

/* A request that cannot be met: an outcome of its own, and nothing else happens. */
static void refuse(struct lxe_channel *c, const struct lxe_err *err)
{
	struct lxe_outcome o = { .cause = LXE_CAUSE_ERROR,
		.error = LXE_EXIT_ERROR,
		.bytes_out = -1,
		.teardown_ok = true };

	snprintf(o.id, sizeof(o.id), "%s", c->keeper->sandbox.id);
	snprintf(o.message, sizeof(o.message), "%s", err->msg);
	snprintf(o.hint, sizeof(o.hint), "%s", err->hint);
	send_outcome(c, &o);
}

static void refuse_state(struct lxe_channel *c, const char *what, const char *hint)
{
	const struct lxe_keeper *k = c->keeper;
	struct lxe_err err = { 0 };

	lxe_fail_msg(&err, -EBUSY, "%s: sandbox '%s' is %s", what,
		k->outcome.name[0] ? k->outcome.name : k->sandbox.id, lxe_state_name(k->state));
	lxe_hint(&err, "%s", hint);
	refuse(c, &err);
}

static void finish(struct lxe_process *p)
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
		finish(p);
	else
		lxe_process_kill(p);
}

static void life_over(void *process)
{
	struct lxe_process *p = process;

	/* A deadline that came with the natural end did not end anything. */
	if (p->reaped)
		return;
	p->timed_out = true;
	lxe_process_kill(p);
}

static void ended(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	lxe_loop_clear_timer(k->loop, &p->life);
	lxe_loop_clear_timer(k->loop, &p->patience);
	p->outcome.ended_at_ms = lxe_epoch_ms();
	if (p == k->main && k->state != LXE_FAILED)
		lxe_keeper_move(k, p->outcome.error ? LXE_FAILED : LXE_STOPPED);
	/* Ours was the last hold of the slave, but for what the command has left running. */
	lxe_drop_fd(&p->pty.slave);
	if (p->started && !p->outcome.error)
		lxe_channel_say(p->client, LXE_MSG_EXITED);
	/* What the command has printed is the client's to deliver before the pty ends. */
	if (p->spec.tty != LXE_TTY_ON || !p->client || p->stopping || p->drained ||
		p->outcome.error) {
		finish(p);
		return;
	}
	p->patience = (struct lxe_timer){ .passed = patience_over, .arg = p };
	lxe_loop_set_timer(k->loop, &p->patience, DRAIN_TIMEOUT_MS);
}

static void send_started(struct lxe_process *p)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_STARTED);
	msg.pid = p->pid;
	if (p->pty.master >= 0) {
		msg.fds[LXE_FD_MASTER] = p->pty.master;
		msg.fds[LXE_FD_RING] = p->ring_fd;
		msg.fds[LXE_FD_PROCS] = lxe_cgroup_leaf_procs_fd(p->leaf);
	}
	lxe_channel_send(p->client, &msg);
}

void lxe_keeper_start(struct lxe_process *p)
{
	p->started = true;
	send_started(p);
	p->outcome.started_at_ms = lxe_epoch_ms();
	p->life = (struct lxe_timer){ .passed = life_over, .arg = p };
	if (p->spec.timeout_ms)
		lxe_loop_set_timer(p->keeper->loop, &p->life, p->spec.timeout_ms);
	lxe_process_release(p);
}

/* Whoever is being put into the container needs room for its starter; who is in, does not. */
static void starting(struct lxe_process *p, bool on)
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
		starting(p, false);
		if (p != k->main && p->state == LXE_PROCESS_PARKED)
			lxe_keeper_start(p);
		break;
	case LXE_PROCESS_RUNNING:
		if (p == k->main)
			lxe_keeper_move(k, LXE_RUNNING);
		break;
	case LXE_PROCESS_ENDED:
		starting(p, false);
		ended(p);
		break;
	}
}

int lxe_keeper_read_spec(struct lxe_process *p, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	int r;

	r = sys_read_whole(p->request.fds[LXE_FD_SPEC], SPEC_MAX, &text, &len);
	if (r == 0)
		r = lxe_spec_decode(&p->spec, (unsigned char *)text, len);
	lxe_drop_fd(&p->request.fds[LXE_FD_SPEC]);
	if (r < 0)
		return lxe_fail(err, r, "read the spec");
	if (p->spec.name)
		snprintf(p->outcome.name, sizeof(p->outcome.name), "%s", p->spec.name);
	return 0;
}

static void exec(struct lxe_channel *c, struct lxe_msg *msg)
{
	struct lxe_keeper *k = c->keeper;
	struct lxe_err err = { 0 };
	struct lxe_process *p;
	int r;

	if (k->state != LXE_RUNNING || k->stopping) {
		refuse_state(c, "exec", "lxc-exec start NAME first");
		return;
	}
	p = lxe_process_new(k, msg, c);
	if (!p) {
		lxe_fail(&err, -ENOMEM, "exec");
		refuse(c, &err);
		return;
	}
	c->process = p;
	c->holds = true;
	r = lxe_keeper_read_spec(p, &err);
	if (r == 0)
		starting(p, true);
	if (r == 0 && p->state == LXE_PROCESS_NEW)
		r = lxe_process_spawn(p, &err);
	if (r < 0)
		lxe_process_fail(p, &err);
}

static void start(struct lxe_channel *c)
{
	struct lxe_keeper *k = c->keeper;

	if (k->state != LXE_CREATED || k->main->state != LXE_PROCESS_PARKED || k->stopping) {
		refuse_state(c, "start", "lxc-exec ps shows what can be done");
		return;
	}
	lxe_keeper_start(k->main);
}

static void stop_process(struct lxe_process *p, int signal)
{
	if (!p->stopping) {
		p->stopping = true;
		p->stop_signal = signal;
	}
	if (p->state == LXE_PROCESS_ENDED)
		finish(p);
	else
		lxe_process_kill(p);
}

void lxe_keeper_stop(struct lxe_keeper *k, int signal)
{
	if (!k->stopping) {
		k->stopping = true;
		k->stop_signal = signal;
	}
	/* Who is parked, or not even that, is not waited for: the teardown ends it. */
	if (!k->main || k->main->state < LXE_PROCESS_RELEASED)
		k->over = true;
	else
		stop_process(k->main, signal);
}

static void stop(struct lxe_channel *c, const struct lxe_msg *msg)
{
	if (c->process && c->process != c->keeper->main)
		stop_process(c->process, msg->signal);
	else
		lxe_keeper_stop(c->keeper, msg->signal);
}

static void create(struct lxe_channel *c, struct lxe_msg *msg)
{
	struct lxe_keeper *k = c->keeper;

	if (k->main) {
		lxe_channel_refuse(c, "a second CREATE");
		return;
	}
	k->main = lxe_process_new(k, msg, c);
	c->process = k->main;
}

static void take_control(struct lxe_channel *c, struct lxe_msg *msg)
{
	struct lxe_process *p = c->process;

	switch (msg->type) {
	case LXE_MSG_CREATE:
	case LXE_MSG_BUILD:
		create(c, msg);
		break;
	case LXE_MSG_EXEC:
		exec(c, msg);
		break;
	case LXE_MSG_START:
		start(c);
		break;
	case LXE_MSG_STOP:
		stop(c, msg);
		break;
	case LXE_MSG_DRAINED:
		if (p && p->client == c && !p->drained) {
			p->drained = true;
			if (p->state == LXE_PROCESS_ENDED)
				finish(p);
		}
		break;
	case LXE_MSG_BYE:
		if (p && p->client == c)
			p->bye = true;
		break;
	case LXE_MSG_WAIT:
		c->waits = true;
		break;
	case LXE_MSG_DETACH:
		c->holds = false;
		break;
	case LXE_MSG_SIGNAL:
	case LXE_MSG_HELLO:
	case LXE_MSG_BUILDING:
	case LXE_MSG_CREATED:
	case LXE_MSG_STARTED:
	case LXE_MSG_EXITED:
	case LXE_MSG_DONE:
	case LXE_MSG_OK:
		lxe_channel_refuse(c, "not a message for a keeper");
		break;
	}
}

void lxe_keeper_take(struct lxe_channel *c, struct lxe_msg *msg)
{
	if (c->role == LXE_ROLE_CONTROL)
		take_control(c, msg);
	else
		lxe_channel_refuse(c, "not a message for its role");
}

void lxe_keeper_lost(struct lxe_channel *c)
{
	struct lxe_keeper *k = c->keeper;
	struct lxe_process *p = c->process;

	if (!p) {
		/* The creator, before it has asked for anything. */
		k->creator_gone = true;
		lxe_keeper_stop(k, 0);
		return;
	}
	if (p->client != c)
		return;
	p->client = NULL;
	if (p == k->main)
		k->creator_gone = true;
	if (c->holds && !p->finished) {
		if (p == k->main)
			lxe_keeper_stop(k, 0);
		else
			stop_process(p, 0);
	} else if (p->state == LXE_PROCESS_ENDED && !p->finished) {
		finish(p);
	}
	lxe_process_restore_terminal(p);
}

static void answer(struct lxe_process *p)
{
	struct lxe_err err = { 0 };
	int result = p->request.fds[LXE_FD_RESULT];

	p->answered_done = true;
	lxe_process_judge(p);
	p->outcome.teardown_ok = true;
	if (result >= 0 && lxe_outcome_write(&p->outcome, result, &err) < 0) {
		p->outcome.cause = LXE_CAUSE_ERROR;
		p->outcome.error = LXE_EXIT_ERROR;
		snprintf(p->outcome.message, sizeof(p->outcome.message), "%s", err.msg);
	}
	if (p->client)
		send_outcome(p->client, &p->outcome);
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
		if (p->client)
			p->client->process = k->main;
		lxe_process_free(p);
	}
}

void lxe_keeper_send_done(struct lxe_keeper *k)
{
	for (struct lxe_channel *c = k->channels; c; c = c->next)
		if (c->role && (c->waits || (k->main ? k->main->client == c : c->holds)))
			send_outcome(c, &k->outcome);
}
