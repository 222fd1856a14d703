/* The connection behind a handle of the library. See api.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LINGER_MS 200 /* for late output of what the command left running */

void lxe_handle_init(struct lxe_process_handle *p, int control)
{
	*p = (struct lxe_process_handle){
		.owner = getpid(), .control = control, .master = -EBADF, .bell = -EBADF
	};
	if (control >= 0)
		sys_set_nonblock(control, true);
}

int lxe_handle_check(const struct lxe_process_handle *p, struct lxe_err *err)
{
	if (p->owner == getpid())
		return 0;
	return lxe_fail_msg(err, -ECHILD, "this handle belongs to process %d", (int)p->owner);
}

void lxe_handle_release(struct lxe_process_handle *p)
{
	/* A child that was forked meanwhile has a copy, which would keep the connection open. */
	if (p->control >= 0 && p->owner == getpid())
		shutdown(p->control, SHUT_RDWR);
	lxe_drop_fd(&p->control);
	lxe_drop_fd(&p->master);
	lxe_drop_fd(&p->bell);
	lxe_ring_unmap(take_ptr(p->ring));
	free(take_ptr(p->json));
}

void lxe_handle_lose(struct lxe_process_handle *p)
{
	p->done = p->lost = true;
	p->outcome = (struct lxe_outcome){
		.cause = LXE_CAUSE_ERROR, .error = LXE_EXIT_ERROR, .bytes_out = -1
	};
	snprintf(p->outcome.message, sizeof(p->outcome.message),
		"the sandbox's keeper ended without an answer");
}

static void take_started(struct lxe_process_handle *p, struct lxe_msg *msg)
{
	p->started = true;
	p->pid = msg->pid;
	if (p->master >= 0 || msg->fds[LXE_FD_MASTER] < 0)
		return;
	/* Without the ring its output could not be kept for others: they do without. */
	if (lxe_ring_map(&p->ring, msg->fds[LXE_FD_RING]) == 0)
		p->master = take_fd(&msg->fds[LXE_FD_MASTER]);
}

/* Somebody else drives from now on: there is nothing more to read here. */
static void yield(struct lxe_process_handle *p)
{
	struct lxe_msg msg;

	lxe_drop_fd(&p->master);
	lxe_drop_fd(&p->bell);
	lxe_ring_unmap(take_ptr(p->ring));
	lxe_msg_init(&msg, LXE_MSG_YIELDED);
	lxe_msg_send(p->control, &msg);
}

/* What was never created is no end, but the answer to a question. */
static void take_done(struct lxe_process_handle *p, const struct lxe_outcome *o)
{
	if (o->created_at_ms) {
		p->outcome = *o;
		p->done = true;
		return;
	}
	p->refused = ++p->answered;
	p->refusal = (struct lxe_err){ 0 };
	lxe_outcome_fail(o, -EBUSY, &p->refusal);
}

static void take_message(struct lxe_process_handle *p)
{
	struct lxe_msg msg;
	int r = lxe_msg_recv(p->control, &msg);

	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		lxe_handle_lose(p);
		return;
	}
	if (msg.type == LXE_MSG_CREATED) {
		p->created = true;
		p->pid = msg.pid;
	} else if (msg.type == LXE_MSG_STARTED) {
		take_started(p, &msg);
	} else if (msg.type == LXE_MSG_BELL) {
		lxe_drop_fd(&p->bell);
		p->bell = take_fd(&msg.fds[LXE_FD_BELL]);
		/* What was read while it was on its way: nobody has been told of that. */
		sys_ring(p->bell);
	} else if (msg.type == LXE_MSG_YIELD) {
		yield(p);
	} else if (msg.type == LXE_MSG_OK) {
		p->answered++;
		p->running |= p->answered == p->start;
	} else if (msg.type == LXE_MSG_EXITED) {
		p->exited = true;
		p->linger_ms = sys_now_ms() + LINGER_MS;
	} else if (msg.type == LXE_MSG_DONE) {
		take_done(p, &msg.outcome);
	}
	lxe_msg_release(&msg);
}

/* Is there a terminal whose end is still waited for? What it holds stays in it, and is not lost. */
static bool is_lingering(const struct lxe_process_handle *p)
{
	return p->exited && !p->done && !p->drained && p->master >= 0;
}

static void end_linger(struct lxe_process_handle *p)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_DRAINED);
	p->drained = lxe_msg_send(p->control, &msg) != -EAGAIN;
}

static int wait_ms(const struct lxe_process_handle *p, uint64_t end)
{
	int left = lxe_api_left(end), linger;

	if (!is_lingering(p))
		return left;
	linger = lxe_api_left(p->linger_ms);
	return left < 0 || linger < left ? linger : left;
}

int lxe_handle_turn(struct lxe_process_handle *p, short master, uint64_t end)
{
	struct pollfd polled[] = {
		{ .fd = p->done ? -1 : p->control, .events = POLLIN },
		{ .fd = master || is_lingering(p) ? p->master : -1, .events = master },
	};
	int r = poll(polled, 2, wait_ms(p, end));

	if (r < 0 && errno != EINTR)
		return -errno;
	if (r <= 0)
		polled[0].revents = polled[1].revents = 0;
	if (polled[0].revents)
		take_message(p);
	/* Who reads is given what there still is before it is counted. */
	if (is_lingering(p) && !(polled[1].revents & POLLIN) &&
		((polled[1].revents & POLLHUP) || !lxe_api_left(p->linger_ms)))
		end_linger(p);
	if (r == 0 && lxe_api_left(end) == 0)
		return -ETIMEDOUT;
	return polled[1].revents & master ? 1 : 0;
}

int lxe_handle_await(
	struct lxe_process_handle *p, lxe_handle_wanted *wanted, uint64_t end, struct lxe_err *err)
{
	while (!p->done && !(wanted && wanted(p))) {
		int r = lxe_handle_turn(p, 0, end);

		if (r < 0)
			return lxe_fail(err, r, "wait for the sandbox");
	}
	return 0;
}

int lxe_handle_send(
	struct lxe_process_handle *p, const struct lxe_msg *msg, uint64_t end, struct lxe_err *err)
{
	struct pollfd polled = { .fd = p->control, .events = POLLOUT };
	int r;

	while ((r = lxe_msg_send(p->control, msg)) == -EAGAIN) {
		if (poll(&polled, 1, lxe_api_left(end)) == 0)
			return lxe_fail(err, -ETIMEDOUT, "talk to the sandbox");
	}
	/* A keeper that is gone has said how it ended, or nothing: either is to be read. */
	if (r == -EPIPE || r == -ECONNRESET)
		return lxe_handle_await(p, NULL, end, err);
	return r < 0 ? lxe_fail(err, r, "talk to the sandbox") : 0;
}

static bool is_answered(const struct lxe_process_handle *p)
{
	return p->answered == p->asked;
}

int lxe_handle_ask(
	struct lxe_process_handle *p, const struct lxe_msg *msg, uint64_t end, struct lxe_err *err)
{
	unsigned int question = ++p->asked;
	int r;

	if (msg->type != LXE_MSG_SIGNAL)
		p->start = question;
	r = lxe_handle_send(p, msg, end, err);
	if (r == 0)
		r = lxe_handle_await(p, is_answered, end, err);
	if (r < 0)
		return r;
	if (p->answered < question)
		return lxe_handle_failure(p, err);
	if (p->refused == question)
		return lxe_fail_msg(err, -EBUSY, "%s", p->refusal.msg);
	return 0;
}

int lxe_handle_failure(const struct lxe_process_handle *p, struct lxe_err *err)
{
	const struct lxe_outcome *o = &p->outcome;
	int r = -EIO;

	if (o->cause != LXE_CAUSE_ERROR)
		return lxe_fail_msg(err, -ECANCELED, "it has ended: %s", lxe_cause_name(o->cause));
	if (o->error == LXE_EXIT_NOTFOUND)
		r = -ENOENT;
	else if (o->error == LXE_EXIT_NOEXEC)
		r = -ENOEXEC;
	return lxe_outcome_fail(o, r, err);
}
