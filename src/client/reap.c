/* The end of the keeper that a session has started. See session.h. */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "client/join.h"
#include "client/session.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define OTHERS_MS 200 /* for those that it waits for: who reads has not much to read any more */

/* Has the keeper said that from now on it waits for others only? */
static bool is_dismissed(struct lxe_session *s)
{
	struct lxe_msg msg;
	bool bye;

	if (lxe_msg_recv(s->control, &msg) <= 0) {
		lxe_drop_fd(&s->control);
		return false;
	}
	bye = msg.type == LXE_MSG_BYE;
	lxe_msg_release(&msg);
	return bye;
}

static bool is_told_to_end(const struct lxe_session *s)
{
	struct signalfd_siginfo info;

	return sys_read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info) &&
	       sys_is_fatal(info.ssi_signo);
}

/*
 * Nothing is left of the sandbox; with its keeper nothing is of ours either. It may have somebody to wait
 * for whom nobody can tell how long he takes: that is no business of ours.
 */
static void await_keeper(struct lxe_session *s)
{
	uint64_t end = sys_now_ms() + LXE_KEEPER_END_MS, now;

	while (sys_reap(s->keeper, &s->keeper_status, NULL) == 0 && (now = sys_now_ms()) < end) {
		struct pollfd polled[] = { { .fd = s->signals, .events = POLLIN },
			{ .fd = s->control, .events = POLLIN } };

		if (poll(polled, 2, (int)(end - now)) <= 0)
			continue;
		if (polled[0].revents && is_told_to_end(s))
			return;
		if (polled[1].revents && is_dismissed(s) && end > sys_now_ms() + OTHERS_MS)
			end = sys_now_ms() + OTHERS_MS;
	}
}

/* A keeper that is alive by now is stuck; one that has answered is about to end by itself. */
void lxe_session_end_keeper(struct lxe_session *s)
{
	if (s->keeper <= 0)
		return;
	if (s->has_outcome) {
		await_keeper(s);
	} else {
		kill(s->keeper, SIGKILL);
		sys_wait(s->keeper, &s->keeper_status);
	}
	s->keeper = 0;
}
