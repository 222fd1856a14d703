/* A session's way to its keeper: a new one, or that of a sandbox that is there. See session.h. */
#include "base/cleanup.h"
#include "client/cow.h"
#include "client/join.h"
#include "client/make.h"
#include "client/session.h"

/* What an earlier run left and cannot be ended so fast is not this run's to wait for. */
#define RECONCILE_MS 200

int lxe_session_make(struct lxe_session *s, struct lxe_err *err)
{
	struct lxe_make m = {
		.spec = s->spec,
		.dirs = s->dirs,
		.reconcile_ms = RECONCILE_MS,
		.again = s->place.id[0] ? &s->place : NULL,
		.sandbox = LXE_SANDBOX_NONE,
		.control = -EBADF,
	};
	int r;

	s->spec->settling.on_disk = lxe_client_needs_disk(s->spec);
	lxe_msg_init(&m.request, LXE_MSG_CREATE);
	m.request.flags = s->kind == LXE_SESSION_RUN ? LXE_CREATE_START
			  : m.again		     ? LXE_CREATE_AGAIN
						     : 0;
	m.request.begun_us = s->begun_us;
	lxe_session_give_stdio(s, &m.request);
	m.request.fds[LXE_FD_SECRET] = s->secrets;
	r = lxe_make(&m, err);
	s->sandbox = m.sandbox;
	s->control = m.control;
	s->keeper = m.keeper;
	lxe_drop_fd(&s->secrets);
	return r;
}

int lxe_session_join(struct lxe_session *s, struct lxe_err *err)
{
	LXE_AUTOCLOSE int spec = lxe_spec_memfd(s->spec, err);
	struct lxe_msg msg;
	int r;

	if (spec < 0)
		return spec;
	s->control = lxe_join(&s->place, LXE_ROLE_CONTROL, err);
	if (s->control < 0)
		return s->control;
	lxe_msg_init(&msg, LXE_MSG_EXEC);
	msg.begun_us = s->begun_us;
	msg.fds[LXE_FD_SPEC] = spec;
	lxe_session_give_stdio(s, &msg);
	r = lxe_msg_send(s->control, &msg);
	return r < 0 ? lxe_fail(err, r, "talk to sandbox '%s'", s->place.id) : 0;
}
