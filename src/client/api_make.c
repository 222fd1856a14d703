/* The public library: a new sandbox. See include/lxc-exec.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "client/defaults.h"
#include "client/client.h"
#include "client/cow.h"
#include "client/make.h"
#include "client/network.h"
#include "client/secrets.h"
#include "client/seccomp.h"
#include "keeper/teardown.h"
#include "sys/proc.h"

#define RECONCILE_MS 200 /* for what earlier runs left, when there is time for it */

/* Nobody but us knows of it yet, or any more: a connection that says so ends a keeper at once. */
void lxe_api_abandon(struct lxe_make *m)
{
	struct lxe_outcome outcome = { .cause = LXE_CAUSE_ERROR, .bytes_out = -1 };
	struct lxe_teardown t = { .sandbox = &m->sandbox,
		.outcome = &outcome,
		.result = -EBADF,
		.leave_children = true,
		.keep = m->again,
		.run = m->dirs->run };
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_STOP);
	if (m->control >= 0)
		lxe_msg_send(m->control, &msg);
	lxe_drop_fd(&m->control);
	if (m->sandbox.id[0])
		lxe_teardown(&t);
	lxe_sandbox_release(&m->sandbox);
}

static bool is_created(const struct lxe_process_handle *p)
{
	return p->created;
}

void lxe_api_adopt(struct lxe_sandbox_handle *s, struct lxe_make *m)
{
	lxe_handle_release(&s->main);
	lxe_handle_init(&s->main, take_fd(&m->control));
	s->main.is_main = s->main.armed = true;
	s->keep = m->spec->keep;
	s->place.run = s->dirs.run;
	s->place.base = lxe_spec_on_disk(m->spec) ? s->dirs.state : s->dirs.run;
	memcpy(s->place.id, m->sandbox.id, sizeof(s->place.id));
	if (m->spec->name)
		lxe_format(s->name, sizeof(s->name), "%s", m->spec->name);
	/* The lock is the keeper's alone: with its end the record belongs to nobody. */
	lxe_sandbox_release(&m->sandbox);
}

int lxe_api_await_created(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	struct lxe_process_handle *p = &s->main;
	int r = lxe_handle_await(p, is_created, end, err);

	if (r < 0)
		return lxe_fail(err, r, "create the sandbox");
	if (p->created)
		return 0;
	r = lxe_handle_failure(p, err);
	/* A keeper that failed before it had taken the sandbox over names none. */
	p->lost |= !p->outcome.id[0];
	lxe_sandbox_settle(s, end);
	return r;
}

static int check(const struct lxe_options *o, struct lxe_err *err)
{
	if (!o->req.spec.argv.n)
		return lxe_fail_msg(err, -EINVAL, "the command is missing");
	if (lxe_spec_settles(&o->req.spec)) {
		lxe_hint(err,
			"they are the command line's: lxe_diff(), lxe_commit() and lxe_discard() do it");
		return lxe_fail_msg(err, -EOPNOTSUPP, "dry-run, on-success or on-failure");
	}
	return 0;
}

/* The spec's parts are the options' own: it borrows these as well. */
static void say_defaults(struct lxe_spec *spec, struct lxe_defaults *defaults)
{
	if (defaults->config.env.n)
		spec->env = defaults->env;
	if (!spec->user)
		spec->user = defaults->config.user;
	if (!spec->cwd)
		spec->cwd = defaults->config.cwd;
}

static int make(const struct lxe_options *o, struct lxe_sandbox_handle *s, uint64_t end,
	struct lxe_err *err)
{
	LXE_AUTOCLOSE int null = -EBADF, spill = -EBADF, secrets = -EBADF;
	LXE_AUTOCLOSE int result = -EBADF, learn = -EBADF;
	LXE_AUTOFREE char *profile = NULL, *proxy = NULL, *userinfo = NULL;
	struct lxe_defaults defaults __attribute__((cleanup(lxe_defaults_release)));
	struct lxe_spec spec = lxe_api_spec(o);
	int left = lxe_api_left(end), r;
	struct lxe_make m = {
		.spec = &spec,
		.dirs = &o->dirs,
		.apart = true,
		.reconcile_ms = left < 0 || left > RECONCILE_MS ? RECONCILE_MS : 0,
		.sandbox = LXE_SANDBOX_NONE,
		.control = -EBADF,
	};

	spec.settling.on_disk |= lxe_client_needs_disk(&spec);
	r = lxe_defaults_read(&defaults, &spec, &o->dirs, err);
	if (r < 0)
		return r;
	say_defaults(&spec, &defaults);
	lxe_msg_init(&m.request, LXE_MSG_CREATE);
	m.request.flags = LXE_CREATE_HOLD;
	m.request.begun_us = sys_now_us();
	r = lxe_api_give_stdio(o, &m.request, &null, &spill, err);
	/* The environment is the program's: it stays as it is. */
	if (r == 0)
		r = lxe_secrets_open(&spec.secrets, false, &secrets, err);
	if (r == 0 && spec.result)
		r = result = lxe_client_open_result(spec.result, err);
	if (r < 0)
		return r;
	m.request.fds[LXE_FD_RESULT] = result;
	m.request.fds[LXE_FD_SECRET] = secrets;
	r = lxe_client_read_seccomp(&profile, &spec, err);
	if (r < 0)
		return r;
	spec.seccomp_text = profile;
	r = lxe_client_read_proxy(&proxy, &userinfo, &spec.net, err);
	if (r < 0)
		return r;
	if (proxy) {
		spec.net.proxy = proxy;
		spec.net.proxy_userinfo = userinfo;
	}
	r = lxe_net_settle(&spec.net, err);
	if (r < 0)
		return r;
	r = lxe_client_open_learn(&learn, &spec, err);
	if (r < 0)
		return r;
	m.request.fds[LXE_FD_LEARN] = learn;
	r = lxe_make(&m, err);
	if (r < 0) {
		lxe_api_abandon(&m);
		return r;
	}
	s->dirs = o->dirs;
	lxe_api_adopt(s, &m);
	return lxe_api_await_created(s, end, err);
}

/* Made, and with `runs` started; nothing is left of one that failed. */
static int new_sandbox(const struct lxe_options *o, bool runs, int timeout_ms, lxe_sandbox **ret,
	struct lxe_err *err)
{
	uint64_t end = lxe_api_end(timeout_ms);
	struct lxe_sandbox_handle *s;
	int r = check(o, err);

	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return lxe_fail(err, -ENOMEM, "make the sandbox");
	s->main.control = s->main.master = s->main.bell = -EBADF;
	r = make(o, s, end, err);
	if (r == 0 && runs)
		r = lxe_sandbox_begin(s, end, err);
	if (r < 0) {
		lxe_sandbox_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

int lxe_create(const lxe_options *options, int timeout_ms, lxe_sandbox **ret, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, new_sandbox(options, false, timeout_ms, ret, &err), &err);
}

int lxe_run(const lxe_options *options, int timeout_ms, lxe_sandbox **ret, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, new_sandbox(options, true, timeout_ms, ret, &err), &err);
}
