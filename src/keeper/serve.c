/* What the keeper does for its clients, and when a process moves on. See keeper.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/cow.h"
#include "keeper/keeper.h"
#include "keeper/seat.h"
#include "sys/fd.h"

#define SPEC_MAX (16 * 1024 * 1024)

/* A request that cannot be met: an outcome of its own, and nothing else happens. */
void lxe_channel_send_refusal(struct lxe_channel *c, const struct lxe_err *err)
{
	struct lxe_outcome o = { .cause = LXE_CAUSE_ERROR,
		.error = LXE_EXIT_ERROR,
		.bytes_out = -1,
		.teardown_ok = true };

	snprintf(o.id, sizeof(o.id), "%s", c->keeper->sandbox.id);
	lxe_outcome_take_err(&o, err);
	lxe_channel_send_outcome(c, &o);
}

static void refuse_state(struct lxe_channel *c, const char *what, const char *hint)
{
	const struct lxe_keeper *k = c->keeper;
	struct lxe_err err = { 0 };

	lxe_fail_msg(&err, -EBUSY, "%s: sandbox '%s' is %s", what,
		k->outcome.name[0] ? k->outcome.name : k->sandbox.id,
		k->stopping ? "being stopped" : lxe_state_name(k->state));
	lxe_hint(&err, "%s", k->stopping ? "lxc-exec ps shows what runs" : hint);
	lxe_channel_send_refusal(c, &err);
}

/* What the sandbox's own command begins with, and then what this one is given. */
static int inherit(struct lxe_process *p, const struct lxe_spec *from)
{
	struct lxe_strv env = { 0 }, ulimits = { 0 };
	int r = 0;

	p->spec.caps = from->caps;
	p->spec.new_privs = from->new_privs;
	for (size_t i = 0; r == 0 && i < from->env.n; i++)
		r = lxe_strv_add(&env, from->env.v[i]);
	for (size_t i = 0; r == 0 && i < p->spec.env.n; i++)
		r = lxe_strv_add(&env, p->spec.env.v[i]);
	for (size_t i = 0; r == 0 && i < from->limits.ulimits.n; i++)
		r = lxe_strv_add(&ulimits, from->limits.ulimits.v[i]);
	for (size_t i = 0; r == 0 && i < p->spec.limits.ulimits.n; i++)
		r = lxe_strv_add(&ulimits, p->spec.limits.ulimits.v[i]);
	/* The network is the sandbox's: of it a command has to know the proxy alone. */
	lxe_net_release(&p->spec.net);
	if (r == 0)
		r = lxe_str_set(&p->spec.net.proxy, from->net.proxy);
	if (r == 0)
		r = lxe_str_set(&p->spec.net.proxy_userinfo, from->net.proxy_userinfo);
	if (r == 0 && !p->spec.user && from->user)
		r = lxe_str_set(&p->spec.user, from->user);
	if (r == 0 && !p->spec.cwd && from->cwd)
		r = lxe_str_set(&p->spec.cwd, from->cwd);
	if (r < 0) {
		lxe_strv_release(&env);
		lxe_strv_release(&ulimits);
		return r;
	}
	lxe_strv_release(&p->spec.env);
	lxe_strv_release(&p->spec.limits.ulimits);
	p->spec.env = env;
	p->spec.limits.ulimits = ulimits;
	return 0;
}

static int read_spec(struct lxe_process *p, struct lxe_err *err)
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

	if (c->process != k->main || k->main->client == c) {
		lxe_channel_refuse(c, "a second EXEC");
		return;
	}
	if (k->state != LXE_RUNNING || k->stopping) {
		/* A STOP that is on its way is about this command, not about the sandbox. */
		c->over = true;
		refuse_state(c, "exec", "lxc-exec start NAME first");
		return;
	}
	p = lxe_process_new(k, msg, c);
	if (!p) {
		lxe_fail(&err, -ENOMEM, "exec");
		lxe_channel_send_refusal(c, &err);
		return;
	}
	c->process = p;
	c->holds = true;
	c->starts = p->request.flags & LXE_EXEC_TELL;
	memcpy(p->outcome.name, k->outcome.name, sizeof(p->outcome.name));
	r = read_spec(p, &err);
	if (r == 0)
		r = inherit(p, &k->main->spec);
	if (r == 0)
		lxe_keeper_count_starting(p, true);
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
	c->starts = true;
	lxe_keeper_start(k->main);
}

static void stop(struct lxe_channel *c, const struct lxe_msg *msg)
{
	if (c->process && c->process != c->keeper->main)
		lxe_process_stop(c->process, msg->signal, msg->grace_ms);
	else
		lxe_keeper_stop(c->keeper, msg->signal, msg->grace_ms);
}

static void send_signal(struct lxe_channel *c, int signal)
{
	const struct lxe_process *p = c->process;

	if (!p || !lxe_process_runs(p)) {
		refuse_state(c, "signal", "lxc-exec ps shows what can be done");
		return;
	}
	/* Not reaped by us, so the number is still its own. */
	kill(p->pid, signal);
	lxe_channel_say(c, LXE_MSG_OK);
}

/* Whoever has made it leaves it to itself. */
static void detach(struct lxe_channel *c)
{
	struct lxe_keeper *k = c->keeper;

	c->holds = false;
	c->detached = true;
	if (k->main && k->main->client == c)
		k->established = true;
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

/* The driver has delivered what there was; before the end of the command there may be more. */
static void drained(struct lxe_channel *c)
{
	struct lxe_process *p = c->process;

	if (!p || (p->client != c && p->driver != c) || p->state != LXE_PROCESS_ENDED) {
		lxe_channel_refuse(c, "DRAINED, and it is not");
		return;
	}
	if (p->drained || (p->driver && p->driver != c))
		return;
	p->drained = true;
	lxe_keeper_finish(p);
}

static void bye(struct lxe_channel *c)
{
	if (c->process && c->process->client == c)
		c->process->bye = true;
	c->bye = true;
	if (c->keeper->told && c->keeper->main && c->keeper->main->client == c)
		lxe_keeper_dismiss(c->keeper);
}

/* STOP or WAIT: answered when everything has ended, and if it has, at once. */
static void want_outcome(struct lxe_channel *c)
{
	if (c->keeper->told)
		lxe_channel_send_outcome(c, &c->keeper->outcome);
	else
		c->waits = true;
}

static void take_control(struct lxe_channel *c, struct lxe_msg *msg)
{
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
		/* Every STOP of one that is not established, or that says so, removes all. */
		if (msg->flags & LXE_STOP_DESTROY)
			c->keeper->destroy = true;
		want_outcome(c);
		stop(c, msg);
		break;
	case LXE_MSG_DRAINED:
		drained(c);
		break;
	case LXE_MSG_BYE:
		bye(c);
		break;
	case LXE_MSG_WAIT:
		want_outcome(c);
		break;
	case LXE_MSG_DETACH:
		detach(c);
		break;
	case LXE_MSG_SIGNAL:
		send_signal(c, msg->signal);
		break;
	case LXE_MSG_YIELDED:
		/* Who made it, or its exec, drives without a connection for that. */
		if (c->process)
			lxe_seat_yielded(c, msg);
		break;
	case LXE_MSG_LAYER:
		lxe_cow_give(c, msg);
		break;
	case LXE_MSG_SETTLED:
		lxe_cow_settled(c, msg);
		break;
	case LXE_MSG_SETTLE:
	case LXE_MSG_HELLO:
	case LXE_MSG_BUILDING:
	case LXE_MSG_CREATED:
	case LXE_MSG_STARTED:
	case LXE_MSG_EXITED:
	case LXE_MSG_DONE:
	case LXE_MSG_OK:
	case LXE_MSG_ATTACH:
	case LXE_MSG_YIELD:
	case LXE_MSG_BELL:
	case LXE_MSG_WATCH:
	case LXE_MSG_SNAPSHOT:
	case LXE_MSG_DATA:
		lxe_channel_refuse(c, "not a message for this role");
		break;
	}
}

static void take_drive(struct lxe_channel *c, struct lxe_msg *msg)
{
	if (msg->type == LXE_MSG_ATTACH)
		lxe_seat_attach(c, msg);
	else if (msg->type == LXE_MSG_YIELDED)
		lxe_seat_yielded(c, msg);
	else if (msg->type == LXE_MSG_DRAINED || msg->type == LXE_MSG_BYE)
		take_control(c, msg);
	else
		lxe_channel_refuse(c, "not a message for a driver");
}

void lxe_keeper_take(struct lxe_channel *c, struct lxe_msg *msg)
{
	if (c->over) {
		if (msg->type == LXE_MSG_BYE)
			bye(c);
		return;
	}
	lxe_life_used(c->keeper);
	switch (c->role) {
	case LXE_ROLE_CONTROL:
		take_control(c, msg);
		break;
	case LXE_ROLE_DRIVE:
		take_drive(c, msg);
		break;
	case LXE_ROLE_WATCH:
		if (msg->type == LXE_MSG_WATCH && !c->watches)
			lxe_seat_watch(c);
		else
			lxe_channel_refuse(c, "not a message for a watcher");
		break;
	}
}
