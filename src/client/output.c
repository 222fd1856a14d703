/*
 * The client's part in limited output: it opens the spill file; with a terminal it passes the output
 * on (terminal.c); without one it does what is left to do when the keeper is gone. See session.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/client.h"
#include "client/outfile.h"
#include "client/session.h"
#include "sys/proc.h"
#include "terminal/rawtty.h"

#define READER_MS 2000 /* for who does not read what a keeper that was killed has left */

int lxe_client_open_spill(
	const struct lxe_spec *spec, bool passes_on, int *ret, struct lxe_err *err)
{
	int fd;

	*ret = -EBADF;
	if (spec->spill && !spec->output_limit) {
		lxe_fail_msg(err, -EINVAL, "--spill '%s' without --output-limit", spec->spill);
		lxe_hint(err, "without a limit nothing is dropped: tee(1) keeps a copy");
		return -EINVAL;
	}
	if (spec->output_limit && !passes_on) {
		lxe_fail_msg(err, -EINVAL,
			"--output-limit: nobody is passed the output of this terminal");
		lxe_hint(err, "-T gives the command the caller's own files");
		return -EINVAL;
	}
	if (!spec->spill)
		return 0;
	fd = lxe_outfile_open("--spill", spec->spill, err);
	if (fd < 0)
		return fd;
	if (!lxe_outfile_is_descriptor(spec->spill) && ftruncate(fd, 0) < 0) {
		int r = lxe_fail(err, -errno, "empty the spill file '%s'", spec->spill);

		lxe_close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

int lxe_session_prepare_output(struct lxe_session *s, struct lxe_err *err)
{
	bool passes_on = s->kind != LXE_SESSION_CREATE || s->spec->tty != LXE_TTY_ON;

	if (s->kind == LXE_SESSION_ATTACH)
		return 0;
	return lxe_client_open_spill(s->spec, passes_on, &s->spill, err);
}

int lxe_session_take_governor(struct lxe_session *s, struct lxe_msg *started)
{
	bool terminal = s->spec->tty == LXE_TTY_ON;
	int r;

	if (!s->spec->output_limit || s->governor || s->kind == LXE_SESSION_ATTACH)
		return 0;
	r = lxe_governor_map(
		&s->governor, started->fds[LXE_FD_OUTPUT], s->spec->output_limit, terminal);
	if (r < 0 || !terminal)
		return r;
	lxe_governor_set_out(
		s->governor, LXE_STREAM_OUT, fcntl(s->out, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
	lxe_governor_set_spill(s->governor, take_fd(&s->spill));
	return 0;
}

/* All of one stream, as long as somebody reads on. */
static void deliver(struct lxe_governor *g, enum lxe_stream stream, int file)
{
	struct pollfd polled = { .events = POLLOUT };
	bool nonblocking;
	int out = lxe_reopen(file, O_WRONLY, &nonblocking), r;
	uint64_t end;

	if (out < 0)
		return;
	lxe_governor_set_out(g, stream, out);
	lxe_governor_end(g, stream);
	polled.fd = out;
	end = sys_now_ms() + READER_MS;
	while ((r = lxe_governor_push(g, stream)) >= 0 && lxe_governor_pending(g, stream)) {
		uint64_t now = sys_now_ms();

		if (r > 0)
			end = now + READER_MS;
		if (now >= end || poll(&polled, 1, (int)(end - now)) <= 0)
			break;
	}
}

/* The keeper was killed, and nothing more comes: what it had kept is delivered all the same. */
void lxe_session_save_output(struct lxe_session *s)
{
	if (!s->governor)
		return;
	if (s->spec->tty != LXE_TTY_ON) {
		deliver(s->governor, LXE_STREAM_OUT, STDOUT_FILENO);
		deliver(s->governor, LXE_STREAM_ERR, STDERR_FILENO);
	}
	lxe_governor_tell(s->governor, s->outcome);
}

void lxe_session_close_output(struct lxe_session *s)
{
	lxe_governor_free(take_ptr(s->governor));
	lxe_drop_fd(&s->spill);
}
