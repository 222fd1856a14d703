#include "keeper/output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "sys/fd.h"
#include "terminal/rawtty.h"

#define FAIR_SHARE ((size_t)1024 * 1024) /* bytes a turn: the others are to be served as well */
#define PIPE_SIZE (256 * 1024)		 /* fewer turns for what comes fast */

void lxe_output_init(struct lxe_process *p)
{
	p->output.memory = -EBADF;
	for (enum lxe_stream i = LXE_STREAM_OUT; i < LXE_STREAMS; i++)
		p->output.streams[i] = (struct lxe_output_stream){
			.p = p,
			.number = i,
			.pipe = -EBADF,
			.in = { .fd = -EBADF },
			.out = { .fd = -EBADF },
		};
}

static void stop_reading(struct lxe_output_stream *s)
{
	lxe_loop_remove(s->p->keeper->loop, &s->in);
	lxe_drop_fd(&s->pipe);
}

void lxe_output_release(struct lxe_process *p)
{
	for (enum lxe_stream i = LXE_STREAM_OUT; i < LXE_STREAMS; i++) {
		stop_reading(&p->output.streams[i]);
		lxe_loop_remove(p->keeper->loop, &p->output.streams[i].out);
	}
	lxe_governor_free(take_ptr(p->output.governor));
	lxe_drop_fd(&p->output.memory);
}

/* As with any pipe: who goes on writing is told by SIGPIPE. Any other end than a reader's is remembered. */
static void lose(struct lxe_output_stream *s, int error)
{
	if (error != -EPIPE && error != -ECONNRESET && !s->p->output.lost)
		s->p->output.lost = error;
	stop_reading(s);
	lxe_loop_remove(s->p->keeper->loop, &s->out);
	s->gone = true;
}

static bool is_pending(const struct lxe_output_stream *s)
{
	return !s->gone && lxe_governor_pending(s->p->output.governor, s->number);
}

/* What is no pipe, socket or terminal takes everything at once: there is nothing to wait for. */
static int push(struct lxe_output_stream *s)
{
	int r;

	do {
		r = lxe_governor_push(s->p->output.governor, s->number);
	} while (r >= 0 && !s->polled && is_pending(s));
	return r < 0 ? r : 0;
}

/*
 * The command is gone: what it had written before is taken, and no more. What it left running may go on
 * for ever, and ends now.
 */
static void take_rest(struct lxe_output_stream *s)
{
	struct lxe_governor *g = s->p->output.governor;

	while (s->rest > 0 && push(s) == 0) {
		ssize_t n = lxe_governor_read(g, s->number, s->pipe, s->rest);

		/* The head is not delivered yet: its reader is waited for. */
		if (n == -ENOBUFS)
			return;
		s->rest = n > 0 ? s->rest - (size_t)n : 0;
	}
	stop_reading(s);
	lxe_governor_end(g, s->number);
}

/* Deliver what can be, and listen for what the next step needs. */
static void move(struct lxe_output_stream *s)
{
	struct lxe_governor *g = s->p->output.governor;
	struct lxe_loop *loop = s->p->keeper->loop;
	int r;

	if (s->ending && !s->gone)
		take_rest(s);
	if (s->gone)
		return;
	r = push(s);
	if (r < 0) {
		lose(s, r);
		return;
	}
	if (s->polled)
		lxe_loop_change(loop, &s->out, is_pending(s) ? EPOLLOUT : 0);
	/* A pipe that is at its end says so to whoever listens, whether he asks or not. */
	if (s->ending || s->pipe < 0 || !lxe_governor_has_room(g, s->number))
		lxe_loop_remove(loop, &s->in);
	else if (s->in.fd < 0 && lxe_loop_add(loop, &s->in, s->pipe, EPOLLIN) < 0)
		lose(s, -ENOMEM);
}

static bool is_over(const struct lxe_output_stream *s)
{
	return s->gone || (s->pipe < 0 && !is_pending(s));
}

static bool all_over(const struct lxe_process *p)
{
	return is_over(&p->output.streams[LXE_STREAM_OUT]) &&
	       is_over(&p->output.streams[LXE_STREAM_ERR]);
}

static void take_input(void *stream, uint32_t events)
{
	struct lxe_output_stream *s = stream;
	ssize_t n;

	(void)events;
	lxe_life_used(s->p->keeper);
	n = lxe_governor_read(s->p->output.governor, s->number, s->pipe, FAIR_SHARE);
	if (n == 0 || (n < 0 && n != -EAGAIN && n != -ENOBUFS))
		stop_reading(s);
	move(s);
}

static void out_ready(void *stream, uint32_t events)
{
	struct lxe_output_stream *s = stream;

	/* A reader that has gone is told before anything has to be written. */
	if ((events & (EPOLLERR | EPOLLHUP)) && !is_pending(s))
		lose(s, -EPIPE);
	else
		move(s);
	if (s->ending && all_over(s->p))
		lxe_keeper_delivered(s->p);
}

/*
 * The caller's file, with a description of our own where that can be, so that O_NONBLOCK is never set
 * on his.
 */
static int take_out(struct lxe_output_stream *s, int fd)
{
	bool nonblocking;
	int own = lxe_reopen(fd, O_WRONLY, &nonblocking);

	if (own < 0)
		return own;
	lxe_governor_set_out(s->p->output.governor, s->number, own);
	return 0;
}

static int open_stream(struct lxe_output_stream *s, int *end)
{
	const struct lxe_process *p = s->p;
	enum lxe_fd_role role = s->number == LXE_STREAM_OUT ? LXE_FD_STDOUT : LXE_FD_STDERR;
	const struct lxe_idmap *map = &p->keeper->idmap;
	int ends[2], r;

	r = take_out(s, p->request.fds[role]);
	if (r == 0)
		r = sys_pipe(ends);
	if (r < 0)
		return r;
	s->pipe = ends[0];
	*end = ends[1];
	/* Inside, /dev/stdout is opened as any file: it is the command's own. */
	if (fchown(*end, lxe_idmap_host(map, p->user.uid), lxe_idmap_host(map, p->user.gid)) < 0)
		return -errno;
	fcntl(*end, F_SETPIPE_SZ, PIPE_SIZE);
	return sys_set_nonblock(s->pipe, true);
}

int lxe_output_open(struct lxe_process *p, int ends[LXE_STREAMS], struct lxe_err *err)
{
	bool terminal = p->spec.tty == LXE_TTY_ON;
	int r;

	if (!p->spec.output_limit)
		return 0;
	r = lxe_governor_new(
		&p->output.governor, &p->output.memory, p->spec.output_limit, terminal);
	if (r < 0)
		return lxe_fail(err, r, "make room for the output");
	if (terminal)
		return 0;
	lxe_governor_set_spill(p->output.governor, take_fd(&p->request.fds[LXE_FD_SPILL]));
	for (enum lxe_stream i = LXE_STREAM_OUT; r == 0 && i < LXE_STREAMS; i++)
		r = open_stream(&p->output.streams[i], &ends[i]);
	return r < 0 ? lxe_fail(err, r, "limit the output") : 0;
}

int lxe_output_begin(struct lxe_process *p, struct lxe_err *err)
{
	struct lxe_loop *loop = p->keeper->loop;

	for (enum lxe_stream i = LXE_STREAM_OUT; i < LXE_STREAMS; i++) {
		struct lxe_output_stream *s = &p->output.streams[i];
		int r;

		if (s->pipe < 0)
			continue;
		s->in.ready = take_input;
		s->out.ready = out_ready;
		s->in.arg = s->out.arg = s;
		r = lxe_loop_add(loop, &s->in, s->pipe, EPOLLIN);
		if (r < 0)
			return lxe_fail(err, r, "listen to the command's output");
		/* EPERM: a file, that is always ready. */
		r = lxe_loop_add(loop, &s->out, lxe_governor_out(p->output.governor, s->number), 0);
		if (r < 0 && r != -EPERM)
			return lxe_fail(err, r, "listen to who reads the output");
		s->polled = r == 0;
	}
	return 0;
}

bool lxe_output_end(struct lxe_process *p)
{
	if (!p->output.governor || p->spec.tty == LXE_TTY_ON)
		return true;
	for (enum lxe_stream i = LXE_STREAM_OUT; i < LXE_STREAMS; i++) {
		struct lxe_output_stream *s = &p->output.streams[i];
		int left = 0;

		if (!s->ending && s->pipe >= 0 && ioctl(s->pipe, FIONREAD, &left) == 0)
			s->rest = (size_t)left;
		s->ending = true;
		move(s);
	}
	return all_over(p);
}
