/* The public library: one that has ended and was kept, started again. See include/lxc-exec.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/again.h"
#include "client/api.h"
#include "client/client.h"
#include "client/make.h"
#include "sys/proc.h"

static int make(
	struct lxe_sandbox_handle *s, struct lxe_spec *spec, bool armed, struct lxe_err *err)
{
	LXE_AUTOCLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	LXE_AUTOCLOSE int result = -EBADF, spill = -EBADF;
	bool tty = spec->tty == LXE_TTY_ON;
	struct lxe_make m = {
		.spec = spec,
		.dirs = &s->dirs,
		.apart = true,
		.again = &s->place,
		.sandbox = LXE_SANDBOX_NONE,
		.control = -EBADF,
	};
	int r = 0;

	if (null < 0)
		return lxe_fail(err, -errno, "open '/dev/null'");
	/* The descriptor was its first life's. */
	if (spec->result && lxe_starts_with(spec->result, "fd:"))
		lxe_str_set(&spec->result, NULL);
	r = lxe_client_open_spill(spec, !tty, &spill, err);
	if (r == 0 && spec->result)
		r = result = lxe_client_open_result(spec->result, err);
	if (r < 0)
		return r;
	lxe_msg_init(&m.request, LXE_MSG_CREATE);
	m.request.flags = LXE_CREATE_AGAIN | (armed ? LXE_CREATE_HOLD : 0);
	m.request.begun_us = sys_now_us();
	m.request.fds[LXE_FD_RESULT] = result;
	m.request.fds[LXE_FD_SPILL] = spill;
	if (!tty)
		m.request.fds[LXE_FD_STDIN] = m.request.fds[LXE_FD_STDOUT] =
			m.request.fds[LXE_FD_STDERR] = null;
	r = lxe_make(&m, err);
	if (r < 0)
		lxe_api_abandon(&m);
	else
		lxe_api_adopt(s, &m);
	return r;
}

/* As the command line does it: nobody drives it, and nobody's end is its own. */
static int leave_alone(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	struct lxe_msg msg;
	int r;

	lxe_msg_init(&msg, LXE_MSG_DETACH);
	r = lxe_handle_send(&s->main, &msg, end, err);
	if (r < 0)
		return r;
	lxe_handle_release(&s->main);
	r = lxe_api_connect(s, end, err);
	/* Without a connection nobody would ever tell who waits for it. */
	if (r < 0)
		lxe_handle_lose(&s->main);
	return r;
}

int lxe_api_start_again(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err)
{
	struct lxe_info info = { 0 };
	bool armed = s->main.armed;
	int r = lxe_registry_read(&s->place, &info);

	if (r < 0)
		return lxe_fail_msg(err, -EBUSY, "start: sandbox '%s' is gone", s->place.id);
	r = lxe_client_look(&s->place, &s->dirs, "start", err);
	if (r == 0)
		r = make(s, &info.spec, armed, err);
	lxe_info_release(&info);
	if (r < 0)
		return r;
	s->main.armed = armed;
	s->again = true;
	r = lxe_api_await_created(s, end, err);
	if (r == 0 && !armed)
		r = leave_alone(s, end, err);
	return r == 0 ? lxe_sandbox_begin(s, end, err) : r;
}
