/* The public library: processes and how they ended. See include/lxc-exec.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "client/join.h"
#include "sys/fd.h"
#include "sys/proc.h"

static int ask_exec(const struct lxe_options *o, struct lxe_process_handle *p, uint64_t end,
	struct lxe_err *err)
{
	LXE_AUTOCLOSE int null = -EBADF, spill = -EBADF;
	struct lxe_spec spec = lxe_api_spec(o);
	LXE_AUTOCLOSE int memory = lxe_spec_memfd(&spec, err);
	struct lxe_msg msg;
	int r;

	if (memory < 0)
		return memory;
	lxe_msg_init(&msg, LXE_MSG_EXEC);
	msg.flags = LXE_EXEC_TELL;
	msg.begun_us = sys_now_us();
	msg.fds[LXE_FD_SPEC] = memory;
	r = lxe_api_give_stdio(o, &msg, &null, &spill, err);
	return r < 0 ? r : lxe_handle_ask(p, &msg, end, err);
}

static int exec(struct lxe_sandbox_handle *s, const struct lxe_options *o, uint64_t end,
	lxe_process **ret, struct lxe_err *err)
{
	struct lxe_process_handle *p;
	int r = lxe_handle_check(&s->main, err), fd;

	if (r < 0)
		return r;
	if (!o->req.spec.argv.n)
		return lxe_fail_msg(err, -EINVAL, "the command is missing");
	fd = lxe_join(&s->place, LXE_ROLE_CONTROL, err);
	if (fd < 0)
		return fd;
	p = calloc(1, sizeof(*p));
	if (!p) {
		lxe_close(fd);
		return lxe_fail(err, -ENOMEM, "exec");
	}
	lxe_handle_init(p, fd);
	p->armed = true;
	r = ask_exec(o, p, end, err);
	if (r < 0) {
		lxe_process_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

int lxe_exec(lxe_sandbox *sandbox, const lxe_options *options, int timeout_ms, lxe_process **ret,
	lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(
		error, exec(sandbox, options, lxe_api_end(timeout_ms), ret, &err), &err);
}

pid_t lxe_pid(const lxe_process *process)
{
	return process->done || process->exited ? 0 : process->pid;
}

int lxe_fd(const lxe_process *process)
{
	return process->control;
}

static int await_end(struct lxe_process_handle *p, uint64_t end, struct lxe_err *err)
{
	int r = lxe_handle_check(p, err);

	if (r == 0)
		r = lxe_handle_await(p, NULL, end, err);
	/* A sandbox begins with its own command. */
	if (r == 0 && p->is_main)
		lxe_sandbox_settle((struct lxe_sandbox_handle *)p, end);
	return r;
}

int lxe_wait(lxe_process *process, int timeout_ms, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, await_end(process, lxe_api_end(timeout_ms), &err), &err);
}

int lxe_try_wait(lxe_process *process, lxe_error *error)
{
	struct lxe_err err = { 0 };
	int r = await_end(process, 0, &err);

	if (r == -ETIMEDOUT)
		return 0;
	return r < 0 ? lxe_api_fail(error, r, &err) : 1;
}

static bool is_settled(const struct lxe_process_handle *p)
{
	return p->answered == p->asked;
}

static int send_stop(struct lxe_process_handle *p, int signal, uint64_t end, struct lxe_err *err)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_STOP);
	msg.signal = signal;
	return lxe_handle_send(p, &msg, end, err);
}

static int send_signal(struct lxe_process_handle *p, int signal, uint64_t end, struct lxe_err *err)
{
	struct lxe_msg msg;
	int r;

	/* One that is being released is not there yet. */
	r = lxe_handle_await(p, is_settled, end, err);
	if (r < 0)
		return r;
	lxe_msg_init(&msg, LXE_MSG_SIGNAL);
	msg.signal = signal;
	r = p->done ? -ESRCH : lxe_handle_ask(p, &msg, end, err);
	return r < 0 && (p->done || p->exited) ? -ESRCH : r;
}

static int kill_process(struct lxe_process_handle *p, int signal, uint64_t end, struct lxe_err *err)
{
	int r = lxe_handle_check(p, err);

	if (r == 0 && (signal < 0 || signal > SIGRTMAX))
		r = lxe_fail(err, -EINVAL, "send signal %d", signal);
	if (r < 0)
		return r;
	lxe_handle_await(p, NULL, 0, NULL);
	if (!p->done && !p->exited)
		r = signal == SIGKILL ? send_stop(p, signal, end, err)
				      : send_signal(p, signal, end, err);
	else
		r = -ESRCH;
	if (r == -ESRCH) {
		*err = (struct lxe_err){ 0 };
		lxe_fail_msg(err, r, "send signal %d: the command has ended", signal);
	}
	return r;
}

int lxe_kill(lxe_process *process, int signal, int timeout_ms, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(
		error, kill_process(process, signal, lxe_api_end(timeout_ms), &err), &err);
}

/* As a shell's terminal ends it, and as init does; one that was never released just ends. */
static int ask_to_end(struct lxe_process_handle *p, uint64_t end, struct lxe_err *err)
{
	int r;

	if (p->created && !p->started && !p->start)
		return send_stop(p, SIGTERM, end, err);
	if (p->master >= 0) {
		r = send_signal(p, SIGHUP, end, err);
		if (r < 0)
			return r;
	}
	return send_signal(p, SIGTERM, end, err);
}

static int drain(struct lxe_process_handle *p, uint64_t end, struct lxe_err *err)
{
	struct lxe_err said = { 0 };
	int r = lxe_handle_check(p, err);

	if (r < 0)
		return r;
	lxe_handle_await(p, NULL, 0, NULL);
	if (!p->done && !p->exited)
		r = ask_to_end(p, end, &said);
	if (r < 0 && r != -ESRCH) {
		*err = said;
		return r;
	}
	return await_end(p, end, err);
}

int lxe_drain(lxe_process *process, int timeout_ms, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, drain(process, lxe_api_end(timeout_ms), &err), &err);
}

int lxe_pty_fd(const lxe_process *process)
{
	return process->master >= 0 ? process->master : -ENOTTY;
}

/* Into the ring first, where the keeper and those who watch find it. */
static ssize_t read_once(struct lxe_process_handle *p, void *buf, size_t size)
{
	struct iovec room = lxe_ring_room(p->ring, size);
	ssize_t n = sys_read(p->master, room.iov_base, room.iov_len);

	if (n > 0)
		memcpy(buf, room.iov_base, (size_t)n);
	lxe_ring_publish(p->ring, n > 0 ? (size_t)n : 0);
	if (n > 0)
		sys_ring(p->bell);
	return n == -EIO ? 0 : n;
}

static ssize_t read_pty(
	struct lxe_process_handle *p, void *buf, size_t size, uint64_t end, struct lxe_err *err)
{
	ssize_t n = lxe_handle_check(p, err);

	if (n < 0)
		return n;
	/* Somebody may have begun to watch, or want to drive. */
	n = p->done ? 0 : lxe_handle_turn(p, POLLIN, 0);
	if (n < 0 && n != -ETIMEDOUT)
		return lxe_fail(err, (int)n, "wait for the sandbox");
	if (p->master < 0)
		return lxe_fail(err, -ENOTTY, "read the command's output");
	if (!size)
		return 0;
	while ((n = read_once(p, buf, size)) == -EAGAIN) {
		int r = lxe_handle_turn(p, POLLIN, end);

		if (r < 0)
			return lxe_fail(err, r, "read the command's output");
		if (p->master < 0)
			return lxe_fail_msg(err, -ENOTTY, "somebody else drives the terminal now");
	}
	return n < 0 ? lxe_fail(err, (int)n, "read the command's output") : n;
}

ssize_t lxe_pty_read(lxe_process *process, void *buf, size_t size, int timeout_ms, lxe_error *error)
{
	struct lxe_err err = { 0 };
	ssize_t n = read_pty(process, buf, size, lxe_api_end(timeout_ms), &err);

	return n < 0 ? lxe_api_fail(error, (int)n, &err) : n;
}

int lxe_resize(lxe_process *process, unsigned int rows, unsigned int cols, lxe_error *error)
{
	struct winsize ws = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
	struct lxe_err err = { 0 };
	int r = lxe_handle_check(process, &err);

	if (r == 0 && (!rows || !cols || rows > UINT16_MAX || cols > UINT16_MAX))
		r = lxe_fail(&err, -ERANGE, "a terminal of %u by %u", rows, cols);
	if (r == 0 && process->master < 0)
		r = lxe_fail(&err, -ENOTTY, "resize the command's terminal");
	/* The kernel sends SIGWINCH to those inside. */
	if (r == 0 && ioctl(process->master, TIOCSWINSZ, &ws) < 0)
		r = lxe_fail(&err, -errno, "resize the command's terminal");
	return lxe_api_fail(error, r, &err);
}

static int disarm(struct lxe_process_handle *p, struct lxe_err *err)
{
	struct lxe_msg msg;
	int r = lxe_handle_check(p, err);

	if (r < 0 || !p->armed)
		return r;
	lxe_msg_init(&msg, LXE_MSG_DETACH);
	if (!p->done)
		r = lxe_handle_send(p, &msg, 0, err);
	if (r == 0)
		p->armed = false;
	return r;
}

int lxe_process_disarm(lxe_process *process, lxe_error *error)
{
	struct lxe_err err = { 0 };

	return lxe_api_fail(error, disarm(process, &err), &err);
}

void lxe_process_close(lxe_process *process)
{
	int saved = errno;

	if (!process || process->is_main)
		return;
	lxe_handle_release(process);
	free(process);
	errno = saved;
}

int lxe_result_exit_code(const lxe_process *process)
{
	return process->done ? lxe_outcome_exit_status(&process->outcome) : -EAGAIN;
}

int lxe_result_signal(const lxe_process *process)
{
	return process->done ? lxe_outcome_signal(&process->outcome) : -EAGAIN;
}

const char *lxe_result_cause(const lxe_process *process)
{
	return process->done ? lxe_cause_name(process->outcome.cause) : NULL;
}

const char *lxe_result_message(const lxe_process *process)
{
	return process->done ? process->outcome.message : NULL;
}

const char *lxe_result_hint(const lxe_process *process)
{
	return process->done ? process->outcome.hint : NULL;
}

const char *lxe_result_json(lxe_process *process)
{
	if (process->done && !process->json)
		process->json = lxe_outcome_json(&process->outcome);
	return process->json;
}
