/* The client's one loop: keeper, signals, timers, and the relay when there is a terminal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/join.h"
#include "client/session.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/text.h"

#define LINGER_MS 200 /* for late output of what the command left running */

enum { CONTROL, SIGNALS, DEADLINE, PROBE, IN, OUT, MASTER, N_POLLED };

_Static_assert(
	POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLHUP == EPOLLHUP && POLLERR == EPOLLERR,
	"the relay speaks epoll's names");

static void enter(struct lxe_session *s, enum lxe_phase phase)
{
	static const uint64_t patience[] = {
		[LXE_PHASE_STARTING] = LXE_ANSWER_MS,
		[LXE_PHASE_BUILDING] = LXE_LONG_ANSWER_MS,
		[LXE_PHASE_RUNNING] = SYS_REST_MS,
		[LXE_PHASE_LINGERING] = LINGER_MS,
		[LXE_PHASE_DELIVERING] = 0, /* the keeper limits it */
		[LXE_PHASE_ENDING] = LXE_ANSWER_MS,
		[LXE_PHASE_DONE] = LINGER_MS,
	};

	s->phase = phase;
	sys_timer_set(s->deadline, patience[phase]);
}

static void send_plain(struct lxe_session *s, enum lxe_msg_type type, int signal)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, type);
	msg.signal = signal;
	/* A keeper that is gone is noticed where it is listened to. */
	if (s->control >= 0)
		lxe_msg_send(s->control, &msg);
}

static void leave(struct lxe_session *s, enum lxe_left left)
{
	s->left = left;
	s->detached = true;
	enter(s, LXE_PHASE_DONE);
}

static void stop(struct lxe_session *s, int signal)
{
	if (s->signal)
		return;
	s->signal = signal;
	if (s->phase == LXE_PHASE_DONE)
		return;
	/* What is only attached to goes on. */
	if (s->kind == LXE_SESSION_ATTACH) {
		leave(s, LXE_LEFT_DETACHED);
		return;
	}
	send_plain(s, LXE_MSG_STOP, signal);
	enter(s, LXE_PHASE_ENDING);
}

static void end_linger(struct lxe_session *s)
{
	/* Before the keeper writes down how much there was. */
	if (s->relay)
		lxe_relay_end_output(s->relay);
	send_plain(s, LXE_MSG_DRAINED, 0);
	enter(s, LXE_PHASE_ENDING);
}

/*
 * What is limited is counted when it was taken in, and while the head waits for its reader nothing is: the
 * rest waits in the ring and in the pty.
 */
static void linger_over(struct lxe_session *s)
{
	if (!s->relay || !s->governor) {
		end_linger(s);
		return;
	}
	lxe_relay_take_last(s->relay);
	enter(s, LXE_PHASE_DELIVERING);
}

static void command_exited(struct lxe_session *s)
{
	if (s->phase != LXE_PHASE_RUNNING)
		return;
	if (!s->relay) {
		enter(s, LXE_PHASE_ENDING);
		return;
	}
	lxe_relay_finish(s->relay);
	enter(s, LXE_PHASE_LINGERING);
}

static bool lingers(const struct lxe_session *s)
{
	return s->phase == LXE_PHASE_LINGERING || s->phase == LXE_PHASE_DELIVERING;
}

/* Nothing more comes from the keeper but what the pty still holds. */
static void done(struct lxe_session *s)
{
	if (s->relay)
		lxe_relay_finish(s->relay);
	enter(s, LXE_PHASE_DONE);
}

static void keeper_lost(struct lxe_session *s)
{
	lxe_drop_fd(&s->control);
	if (s->phase != LXE_PHASE_DONE)
		done(s);
}

static void take_started(struct lxe_session *s, struct lxe_msg *msg)
{
	if (s->phase == LXE_PHASE_STARTING || s->phase == LXE_PHASE_BUILDING)
		enter(s, LXE_PHASE_RUNNING);
	s->started = true;
	/* Without what limits it nothing may be passed on. */
	if (lxe_session_take_governor(s, msg) < 0)
		stop(s, SIGTERM);
	else if (s->spec->tty == LXE_TTY_ON && !s->relay && lxe_session_start_relay(s, msg) < 0)
		stop(s, SIGTERM);
}

/* Somebody watches, or nobody any more. */
static void take_bell(struct lxe_session *s, struct lxe_msg *msg)
{
	lxe_drop_fd(&s->bell);
	s->bell = take_fd(&msg->fds[LXE_FD_BELL]);
	if (s->relay)
		lxe_relay_set_bell(s->relay, s->bell);
}

static void take_message(struct lxe_session *s)
{
	struct lxe_msg msg;

	if (lxe_msg_recv(s->control, &msg) <= 0) {
		keeper_lost(s);
		return;
	}
	if (msg.type == LXE_MSG_BUILDING) {
		if (s->phase == LXE_PHASE_STARTING)
			enter(s, LXE_PHASE_BUILDING);
	} else if (msg.type == LXE_MSG_CREATED && s->phase < LXE_PHASE_RUNNING) {
		/* Not after STOP: it is removed then, and DONE says so. */
		s->created = msg.pid;
		s->detached = true;
		send_plain(s, LXE_MSG_DETACH, 0);
		done(s);
	} else if (msg.type == LXE_MSG_BELL) {
		take_bell(s, &msg);
	} else if (msg.type == LXE_MSG_YIELD) {
		lxe_session_yield(s);
		enter(s, LXE_PHASE_DONE);
	} else if (msg.type == LXE_MSG_STARTED) {
		take_started(s, &msg);
	} else if (msg.type == LXE_MSG_EXITED) {
		command_exited(s);
	} else if (msg.type == LXE_MSG_SETTLE) {
		lxe_session_settle(s, &msg.outcome);
		enter(s, LXE_PHASE_ENDING);
	} else if (msg.type == LXE_MSG_DONE) {
		*s->outcome = msg.outcome;
		s->has_outcome = true;
		done(s);
	}
	lxe_msg_release(&msg);
}

/* Ctrl-Z from outside (inside it is the guest's): give the terminal back for as long as we sleep. */
static void suspend(struct lxe_session *s)
{
	lxe_rawtty_leave(&s->tty);
	kill(getpid(), SIGSTOP);
	lxe_rawtty_again(&s->tty);
	lxe_session_resize(s);
}

static void take_signal(struct lxe_session *s)
{
	struct signalfd_siginfo info;

	if (sys_read(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD:
		if (s->keeper > 0 && sys_reap(s->keeper, &s->keeper_status, NULL) > 0)
			s->keeper = 0;
		break;
	case SIGWINCH:
		lxe_session_resize(s);
		break;
	case SIGTSTP:
		suspend(s);
		break;
	case SIGCONT:
		lxe_rawtty_continue(&s->tty);
		lxe_session_resize(s);
		break;
	default:
		stop(s, (int)info.ssi_signo);
		break;
	}
}

/* Who does not read what there is has what is left of the run's time, if that is limited. */
static void await_reader(struct lxe_session *s)
{
	uint64_t end = s->started_ms + s->spec->timeout_ms, now = sys_now_ms();

	s->patience_over = true;
	if (s->relay)
		lxe_relay_take_last(s->relay);
	if (s->relay && s->spec->timeout_ms && s->kind != LXE_SESSION_ATTACH)
		sys_timer_set(s->deadline, end > now ? end - now : 1);
}

static void give_up(struct lxe_session *s)
{
	s->given_up = true;
	if (!s->has_outcome || s->outcome->error)
		return;
	s->outcome->cause = LXE_CAUSE_TIMEOUT;
	snprintf(s->outcome->message, sizeof(s->outcome->message),
		"the command has ended, but its output was not read in time");
}

static bool is_answered(const struct lxe_session *s)
{
	struct pollfd control = { .fd = s->control, .events = POLLIN };
	bool waits = s->phase == LXE_PHASE_STARTING || s->phase == LXE_PHASE_BUILDING ||
		     s->phase == LXE_PHASE_ENDING;

	return waits && poll(&control, 1, 0) > 0;
}

static void deadline_passed(struct lxe_session *s)
{
	/* While we were stopped it has answered: what came before a deadline is not to be judged by it. */
	if (is_answered(s))
		return;
	/* Set anew since it was polled: another phase's. */
	if (!sys_drain_counter(s->deadline))
		return;
	switch (s->phase) {
	case LXE_PHASE_STARTING:
	case LXE_PHASE_BUILDING:
	case LXE_PHASE_ENDING:
		keeper_lost(s); /* stuck: whoever closes the session kills it and cleans up */
		break;
	case LXE_PHASE_LINGERING:
		linger_over(s);
		break;
	case LXE_PHASE_DELIVERING:
		break;
	case LXE_PHASE_DONE:
		if (s->patience_over)
			give_up(s);
		else
			await_reader(s);
		break;
	case LXE_PHASE_RUNNING:
		sys_drop_text(NULL);
		break;
	}
}

static void take_io(struct lxe_session *s, const struct pollfd *polled)
{
	static const enum lxe_relay_end ends[] = {
		[IN] = LXE_RELAY_IN, [OUT] = LXE_RELAY_OUT, [MASTER] = LXE_RELAY_MASTER
	};

	for (int i = IN; i <= MASTER; i++) {
		int r;

		if (!polled[i].revents || !s->relay)
			continue;
		r = lxe_relay_step(s->relay, ends[i], (uint32_t)polled[i].revents);
		if (r < 0) {
			/* Nobody is left to print for: as a local program would be told. */
			lxe_relay_free(take_ptr(s->relay));
			if (!lingers(s))
				stop(s, r == -EPIPE ? SIGPIPE : SIGHUP);
		}
	}
}

/* Is the pty empty, and was everything delivered? While `out` was slow the master was not read. */
static bool nothing_left(const struct lxe_session *s)
{
	struct pollfd master = { .fd = s->master, .events = POLLIN };

	if (lxe_relay_drained(s->relay))
		return true;
	return lxe_relay_flushed(s->relay) && poll(&master, 1, 0) == 0;
}

/* Does nothing more come that counts? */
static bool is_over(const struct lxe_session *s)
{
	bool waits = !s->patience_over && s->phase != LXE_PHASE_DELIVERING;

	return waits ? lxe_relay_drained(s->relay) : nothing_left(s);
}

static bool finished(struct lxe_session *s)
{
	if (s->phase != LXE_PHASE_DONE)
		return false;
	if (s->detached || s->given_up)
		return true;
	/* The tail comes when nothing else does; of what is cut off by force it is what there is. */
	if (s->relay && s->governor && (s->signal || is_over(s)))
		lxe_relay_end_output(s->relay);
	if (s->relay && s->governor && s->signal)
		return s->patience_over || lxe_relay_flushed(s->relay);
	/* What was cut off by force need not be read to its end by somebody who does not read. */
	if (!s->relay || s->signal || (s->patience_over && s->outcome->cause == LXE_CAUSE_TIMEOUT))
		return true;
	return is_over(s);
}

static void fill_polled(const struct lxe_session *s, struct pollfd *polled)
{
	polled[CONTROL] = (struct pollfd){ .fd = s->control, .events = POLLIN };
	polled[SIGNALS] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	polled[DEADLINE] = (struct pollfd){ .fd = s->deadline, .events = POLLIN };
	polled[PROBE] = (struct pollfd){ .fd = s->probe, .events = POLLIN };
	polled[IN] = (struct pollfd){ .fd = s->in };
	polled[OUT] = (struct pollfd){ .fd = s->out };
	polled[MASTER] = (struct pollfd){ .fd = s->master };
	for (int i = IN; i <= MASTER; i++) {
		polled[i].events =
			s->relay ? (short)lxe_relay_wants(s->relay, (enum lxe_relay_end)(i - IN))
				 : 0;
		/*
		 * A hang-up is reported even to who asks for nothing, again and again. Of `out` we want
		 * to know: nobody is left to run for.
		 */
		if (!s->relay || (!polled[i].events && i != OUT))
			polled[i].fd = -1;
	}
}

int lxe_session_loop(struct lxe_session *s, struct lxe_err *err)
{
	struct pollfd polled[N_POLLED];

	enter(s, LXE_PHASE_STARTING);
	while (!finished(s)) {
		bool probed;

		fill_polled(s, polled);
		if (poll(polled, N_POLLED, -1) < 0) {
			if (errno == EINTR)
				continue;
			return lxe_fail(err, -errno, "wait for events");
		}
		probed = polled[PROBE].revents != 0;
		if (probed)
			sys_drain_counter(s->probe);
		take_io(s, polled);
		if (polled[SIGNALS].revents)
			take_signal(s);
		if (polled[CONTROL].revents && s->control >= 0)
			take_message(s);
		if (polled[DEADLINE].revents)
			deadline_passed(s);
		lxe_session_watch_gate(s, probed);
		if (s->relay && lxe_relay_detached(s->relay) && s->phase == LXE_PHASE_RUNNING)
			leave(s, LXE_LEFT_DETACHED);
		if (lingers(s) && (!s->relay || is_over(s)))
			end_linger(s);
	}
	return 0;
}
