/* The public library: sandboxes that are there. See include/lxc-exec.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "client/api_aside.h"
#include "client/join.h"
#include "keeper/teardown.h"
#include "store/rootless.h"
#include "sys/fd.h"

#define BURY_MS 10000
#define ENDING_MS 2000 /* for a keeper that takes nobody any more to be gone */
#define LOOK_MS 5

struct burial {
	const struct lxe_place *place;
	const char *run;
	bool keep;
	int ms;
	struct lxe_outcome *outcome;
};

static int take_down(const struct burial *b, struct lxe_err *err)
{
	struct lxe_sandbox sandbox = LXE_SANDBOX_NONE;
	struct lxe_teardown t = { .sandbox = &sandbox,
		.outcome = b->outcome,
		.result = -EBADF,
		.leave_children = true,
		.run = b->run,
		.timeout_ms = b->ms ? b->ms : 1,
		.keep = b->keep };
	int r = lxe_sandbox_claim(&sandbox, b->place->base, b->place->id, b->ms, err);

	if (r == -ENOENT) {
		b->outcome->teardown_ok = true;
		return 0;
	}
	if (r < 0)
		return r == -EWOULDBLOCK ? -ETIMEDOUT : r;
	r = lxe_teardown(&t);
	lxe_sandbox_release(&sandbox);
	return r < 0 ? lxe_fail_msg(err, r, "destroy sandbox '%s': %s", b->place->id,
			       b->outcome->residue)
		     : 0;
}

static int take_down_aside(const void *arg, int out, struct lxe_err *err)
{
	const struct burial *b = arg;
	int r = take_down(b, err), written;

	written = sys_write_all(out, b->outcome, sizeof(*b->outcome));
	return r < 0 ? r : written;
}

/* Its keeper has ended and left it to us; what cannot be done in time is done by the next gc. */
static int bury(struct lxe_sandbox_handle *s, bool keep, uint64_t end, struct lxe_err *err)
{
	int left = lxe_api_left(end), ms = left < 0 || left > BURY_MS ? BURY_MS : left;
	struct lxe_outcome *outcome = &s->main.outcome, told;
	struct burial b = { &s->place, s->dirs.run, keep, ms, outcome };
	LXE_AUTOCLOSE int out = -EBADF;
	int r;

	if (!lxe_is_rootless())
		return take_down(&b, err);
	/* An ordinary user's files are removed by a child, in his namespace: it must not be the program's. */
	r = lxe_api_aside(take_down_aside, &b, end, &out, err);
	if (out >= 0 && pread(out, &told, sizeof(told), 0) == (ssize_t)sizeof(told))
		*outcome = told;
	return r;
}

/* Its keeper had told others, or nobody: what it has left behind says how. */
static void read_end(struct lxe_sandbox_handle *s)
{
	struct lxe_info info = { 0 };

	if (lxe_registry_read(&s->place, &info) == 0 && !info.owned && info.has_outcome) {
		s->main.outcome = info.outcome;
		s->main.lost = false;
	}
	lxe_info_release(&info);
}

void lxe_sandbox_settle(struct lxe_sandbox_handle *s, uint64_t end)
{
	if (s->main.lost)
		read_end(s);
	if (!s->main.lost || !s->main.armed || lxe_api_left(end) == 0)
		return;
	s->main.lost = false;
	bury(s, s->keep && (s->main.started || s->again), end, NULL);
}

int lxe_sandbox_begin(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	struct lxe_process_handle *p = &s->main;
	struct lxe_msg msg;
	int r = lxe_handle_check(p, err);

	if (r < 0)
		return r;
	lxe_msg_init(&msg, LXE_MSG_START);
	lxe_handle_await(p, NULL, 0, NULL);
	if (p->done || p->control < 0)
		return lxe_fail_msg(
			err, -EBUSY, "start: sandbox '%s' is %s", s->place.id, lxe_state(s));
	r = lxe_handle_ask(p, &msg, end, err);
	lxe_sandbox_settle(s, end);
	return r;
}

static int start(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	int r = lxe_handle_check(&s->main, err);

	if (r < 0)
		return r;
	lxe_handle_await(&s->main, NULL, 0, NULL);
	if (!s->main.done)
		return lxe_sandbox_begin(s, end, err);
	lxe_sandbox_settle(s, end);
	return lxe_api_start_again(s, end, err);
}

int lxe_start(lxe_sandbox *sandbox, int timeout_ms, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, start(sandbox, lxe_api_end(timeout_ms), &err), &err);
}

/* Of one that nobody keeps any more. */
static void take_end(struct lxe_process_handle *p, const struct lxe_info *info)
{
	p->done = true;
	p->outcome = info->outcome;
	if (info->has_outcome)
		return;
	p->outcome = (struct lxe_outcome){
		.cause = LXE_CAUSE_ERROR, .error = LXE_EXIT_ERROR, .bytes_out = -1
	};
	lxe_format(p->outcome.message, sizeof(p->outcome.message), "sandbox '%s' is %s",
		lxe_info_name(info), info->state);
}

static int connect_to(struct lxe_sandbox_handle *s, const struct lxe_info *info, uint64_t end,
	struct lxe_err *err)
{
	struct lxe_msg msg;
	int fd = -EBADF, r = 0;

	if (info->owned)
		fd = lxe_join(&s->place, LXE_ROLE_CONTROL, err);
	if (info->owned && fd < 0)
		return fd;
	lxe_handle_init(&s->main, fd);
	s->main.is_main = true;
	s->main.pid = info->owned ? info->live.pid : 0;
	s->keep = info->record.keep;
	memcpy(s->name, info->record.name, sizeof(s->name));
	lxe_msg_init(&msg, LXE_MSG_WAIT);
	if (info->owned)
		r = lxe_handle_send(&s->main, &msg, end, err);
	else
		take_end(&s->main, info);
	return r;
}

/* A keeper that is about to end takes nobody any more: soon what it leaves behind says how it was. */
int lxe_api_connect(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	struct lxe_err said = { 0 };
	int r = -EAGAIN;

	for (int i = 0; i < ENDING_MS / LOOK_MS && r == -EAGAIN; i++) {
		struct lxe_info info = { 0 };

		if (i && poll(NULL, 0, LOOK_MS) == 0 && lxe_api_left(end) == 0)
			return lxe_fail(err, -ETIMEDOUT, "connect to sandbox '%s'", s->place.id);
		said = (struct lxe_err){ 0 };
		r = lxe_registry_read(&s->place, &info);
		if (r < 0)
			lxe_fail(&said, r, "open sandbox '%s'", s->place.id);
		else
			r = connect_to(s, &info, end, &said);
		if (info.owned && (r == -ENOENT || r == -ECONNREFUSED))
			r = -EAGAIN;
		lxe_info_release(&info);
	}
	if (r < 0)
		*err = said;
	return r;
}

static int attach(const char *name, uint64_t end, lxe_sandbox **ret, struct lxe_err *err)
{
	struct lxe_sandbox_handle *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return lxe_fail(err, -ENOMEM, "attach to sandbox '%s'", name);
	s->main.control = s->main.master = s->main.bell = -EBADF;
	r = lxe_api_dirs(&s->dirs, err);
	if (r == 0)
		r = lxe_registry_find(&s->dirs, name, &s->place, err);
	if (r == 0)
		r = lxe_api_connect(s, end, err);
	if (r < 0) {
		lxe_sandbox_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int lxe_attach(const char *name, int timeout_ms, lxe_sandbox **ret, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, attach(name, lxe_api_end(timeout_ms), ret, &err), &err);
}

const char *lxe_id(const lxe_sandbox *sandbox)
{
	return sandbox->place.id;
}

const char *lxe_name(const lxe_sandbox *sandbox)
{
	return sandbox->name;
}

const char *lxe_state(const lxe_sandbox *sandbox)
{
	struct lxe_info info = { 0 };
	const char *state = "gone";

	if (lxe_registry_read(&sandbox->place, &info) == 0)
		state = info.state;
	lxe_info_release(&info);
	return state;
}

lxe_process *lxe_sandbox_process(lxe_sandbox *sandbox)
{
	return &sandbox->main;
}

int lxe_sandbox_disarm(lxe_sandbox *sandbox, lxe_error *error)
{
	return lxe_process_disarm(&sandbox->main, error);
}

static int destroy(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	struct lxe_process_handle *p = &s->main;
	struct lxe_msg msg;
	int r = lxe_handle_check(p, err);

	if (r == 0 && !p->done) {
		lxe_msg_init(&msg, LXE_MSG_STOP);
		msg.signal = SIGKILL;
		msg.flags = LXE_STOP_DESTROY;
		r = lxe_handle_send(p, &msg, end, err);
		if (r == 0)
			r = lxe_handle_await(p, NULL, end, err);
	}
	if (r < 0)
		return r;
	p->lost = false;
	return bury(s, false, end, err);
}

int lxe_destroy(lxe_sandbox *sandbox, int timeout_ms, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, destroy(sandbox, lxe_api_end(timeout_ms), &err), &err);
}

void lxe_sandbox_close(lxe_sandbox *sandbox)
{
	int saved = errno;

	if (!sandbox)
		return;
	lxe_handle_release(&sandbox->main);
	free(sandbox);
	errno = saved;
}
