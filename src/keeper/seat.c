#include "keeper/seat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "sys/proc.h"
#include "terminal/modes.h"
#include "terminal/rawtty.h"

#define YIELD_MS 1000

_Static_assert(sizeof(struct lxe_modes) <= LXE_MODES_MAX, "fits into a message");

static const char *name_of(const struct lxe_keeper *k)
{
	return k->outcome.name[0] ? k->outcome.name : k->sandbox.id;
}

static void send_bell(const struct lxe_process *p)
{
	struct lxe_msg msg;

	if (!p->driver)
		return;
	lxe_msg_init(&msg, LXE_MSG_BELL);
	msg.fds[LXE_FD_BELL] = p->bell;
	lxe_channel_send(p->driver, &msg);
}

/* Sit down: from here on the new driver alone reads the pty. */
static void grant(struct lxe_process *p, struct lxe_channel *c, int input)
{
	struct lxe_msg msg;

	lxe_loop_clear_timer(p->keeper->loop, &p->seat);
	p->claimant = NULL;
	lxe_process_leave_to_driver(p, c);
	c->waits = true;
	lxe_msg_init(&msg, LXE_MSG_STARTED);
	msg.pid = p->pid;
	msg.fds[LXE_FD_MASTER] = p->pty.master;
	msg.fds[LXE_FD_RING] = p->ring_fd;
	msg.fds[LXE_FD_PROCS] = lxe_look_procs(p);
	msg.fds[LXE_FD_INPUT] = input;
	lxe_channel_send(c, &msg);
	if (p->bell >= 0)
		send_bell(p);
	/* It ended while somebody else sat here. */
	if (p->state == LXE_PROCESS_ENDED)
		lxe_channel_say(c, LXE_MSG_EXITED);
}

static void refuse_busy(struct lxe_channel *c, const char *what, const char *hint)
{
	const struct lxe_keeper *k = c->keeper;
	const struct lxe_channel *driver = c->process->driver;
	struct lxe_err err = { 0 };

	lxe_fail_msg(&err, -EBUSY, "attach: the terminal of sandbox '%s' %s (process %d)",
		name_of(k), what, driver ? (int)driver->peer : 0);
	lxe_hint(&err, "%s", hint);
	lxe_channel_send_refusal(c, &err);
}

static void yield_late(void *process)
{
	struct lxe_process *p = process;
	struct lxe_channel *c = p->claimant;

	p->claimant = NULL;
	if (!c)
		return;
	c->waits = false;
	refuse_busy(c, "is held by a driver that does not answer",
		"end that process; then attach again");
}

static void claim(struct lxe_process *p, struct lxe_channel *c)
{
	p->claimant = c;
	c->waits = true;
	p->seat.passed = yield_late;
	lxe_loop_set_timer(p->keeper->loop, &p->seat, YIELD_MS);
	lxe_channel_say(p->driver, LXE_MSG_YIELD);
}

/* A terminal, and somebody at its other end. */
static bool has_terminal(struct lxe_channel *c, const char *verb)
{
	const struct lxe_process *p = c->process;
	struct lxe_err err = { 0 };

	if (p->pty.master >= 0 && p->state < LXE_PROCESS_ENDED && !c->keeper->stopping)
		return true;
	if (p->spec.tty != LXE_TTY_ON) {
		lxe_fail_msg(&err, -ENOTTY, "%s: the command of sandbox '%s' has no terminal", verb,
			name_of(c->keeper));
		lxe_hint(&err, "it was made with -T; lxc-exec shell %s opens one",
			name_of(c->keeper));
	} else {
		lxe_fail_msg(&err, -EBUSY, "%s: sandbox '%s' is %s", verb, name_of(c->keeper),
			lxe_state_name(c->keeper->state));
	}
	lxe_channel_send_refusal(c, &err);
	return false;
}

void lxe_seat_attach(struct lxe_channel *c, struct lxe_msg *msg)
{
	struct lxe_process *p = c->process;

	if (!has_terminal(c, "attach"))
		return;
	if (c->attach) {
		lxe_channel_refuse(c, "a second ATTACH");
		return;
	}
	c->attach = malloc(sizeof(*c->attach));
	if (!c->attach) {
		lxe_channel_refuse(c, "no memory");
		return;
	}
	*c->attach = *msg;
	lxe_msg_init(msg, 0);
	if (!p->driver)
		grant(p, c, -EBADF);
	else if (p->driver->holds)
		refuse_busy(c, "belongs to the program that made it",
			"lxc-exec attach --read-only watches it");
	else if (!(c->attach->flags & LXE_ATTACH_TAKE_OVER))
		refuse_busy(c, "is driven already",
			"--take-over drives it instead, --read-only watches");
	else if (p->claimant)
		refuse_busy(c, "is just being taken over", "try again");
	else
		claim(p, c);
}

void lxe_seat_yielded(struct lxe_channel *c, struct lxe_msg *msg)
{
	struct lxe_process *p = c->process;

	if (!p || p->driver != c) {
		lxe_channel_refuse(c, "YIELDED, and it does not drive");
		return;
	}
	p->driver = NULL;
	if (p->claimant)
		grant(p, p->claimant, msg->fds[LXE_FD_INPUT]);
	else
		lxe_process_drain(p);
}

static unsigned int watchers(const struct lxe_process *p)
{
	unsigned int n = 0;

	for (const struct lxe_channel *c = p->keeper->channels; c; c = c->next)
		n += c->watches && c->process == p;
	return n;
}

void lxe_seat_lost(struct lxe_channel *c)
{
	struct lxe_process *p = c->process;

	if (c->attach && !c->bye && c->attach->fds[LXE_FD_TTY] >= 0)
		lxe_rawtty_restore_if(
			c->attach->fds[LXE_FD_TTY], &c->attach->tty_raw, &c->attach->tty_saved);
	if (p->claimant == c) {
		p->claimant = NULL;
		lxe_loop_clear_timer(p->keeper->loop, &p->seat);
	}
	if (p->driver == c) {
		p->driver = NULL;
		if (p->ring)
			lxe_ring_recover(p->ring);
		if (p->claimant)
			grant(p, p->claimant, -EBADF);
	}
	c->watches = false;
	if (p->bell >= 0 && !watchers(p)) {
		lxe_loop_remove(p->keeper->loop, &p->rung);
		lxe_drop_fd(&p->bell);
		send_bell(p);
	}
}

/* What a watcher begins with, and begins with again when he has fallen behind the ring. */
static int send_snapshot(struct lxe_channel *c)
{
	const struct lxe_process *p = c->process;
	struct lxe_modes modes;
	struct winsize ws = { 0 };
	struct lxe_msg msg;
	uint64_t start;
	int r;

	lxe_msg_init(&msg, LXE_MSG_SNAPSHOT);
	start = lxe_ring_start(p->ring, &modes);
	msg.size = lxe_ring_written(p->ring) - start;
	ioctl(p->pty.master, TIOCGWINSZ, &ws);
	msg.rows = ws.ws_row;
	msg.cols = ws.ws_col;
	memcpy(msg.modes, &modes, sizeof(modes));
	r = lxe_msg_send(c->fd, &msg);
	if (r < 0)
		return r;
	c->position = start;
	return 0;
}

/* The next bytes: 1, 0 when there are none, or a negative errno. */
static int send_some(struct lxe_channel *c)
{
	const struct lxe_ring *ring = c->process->ring;
	struct iovec v = lxe_ring_peek(ring, c->position);
	struct lxe_msg msg;
	int r;

	if (!v.iov_len)
		return 0;
	lxe_msg_init(&msg, LXE_MSG_DATA);
	msg.n_bytes = v.iov_len < sizeof(msg.bytes) ? v.iov_len : sizeof(msg.bytes);
	memcpy(msg.bytes, v.iov_base, msg.n_bytes);
	/* Overwritten before or while they were copied: the picture has to be drawn anew. */
	if (c->position < lxe_ring_oldest(ring)) {
		r = send_snapshot(c);
		return r < 0 ? r : 1;
	}
	r = lxe_msg_send(c->fd, &msg);
	if (r < 0)
		return r;
	c->position += msg.n_bytes;
	return 1;
}

static void pump(struct lxe_channel *c)
{
	struct lxe_loop *loop = c->keeper->loop;
	int r = 1;

	while (r > 0)
		r = send_some(c);
	if ((r == -EAGAIN) != c->behind) {
		c->behind = !c->behind;
		lxe_loop_change(loop, &c->source, c->behind ? EPOLLIN | EPOLLOUT : EPOLLIN);
	}
}

void lxe_seat_writable(struct lxe_channel *c)
{
	if (!c->behind)
		return;
	pump(c);
	if (c->keeper->told && !c->behind)
		lxe_channel_send_outcome(c, &c->keeper->outcome);
}

void lxe_seat_output(struct lxe_process *p)
{
	for (struct lxe_channel *c = p->keeper->channels; c; c = c->next)
		if (c->watches && c->process == p && !c->behind)
			pump(c);
}

static void rung(void *process, uint32_t events)
{
	struct lxe_process *p = process;

	(void)events;
	sys_drain_counter(p->bell);
	lxe_seat_output(p);
}

static int hang_bell(struct lxe_process *p)
{
	if (p->bell >= 0)
		return 0;
	p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->bell < 0)
		return -errno;
	p->rung = (struct lxe_source){ .fd = -EBADF, .ready = rung, .arg = p };
	send_bell(p);
	return lxe_loop_add(p->keeper->loop, &p->rung, p->bell, EPOLLIN);
}

void lxe_seat_watch(struct lxe_channel *c)
{
	struct lxe_process *p = c->process;

	if (!has_terminal(c, "watch"))
		return;
	c->watches = c->waits = true;
	if (hang_bell(p) < 0 || send_snapshot(c) < 0) {
		lxe_channel_refuse(c, "it cannot be served");
		return;
	}
	pump(c);
}

int lxe_seat_save(const struct lxe_process *p)
{
	struct lxe_modes modes;
	uint64_t position, end;
	unsigned char *file;
	size_t len;
	int r;

	if (!p->ring)
		return 0;
	position = lxe_ring_start(p->ring, &modes);
	end = lxe_ring_written(p->ring);
	file = calloc(1, LXE_MODES_MAX + LXE_RING_SIZE);
	if (!file)
		return -ENOMEM;
	memcpy(file, &modes, sizeof(modes));
	len = LXE_MODES_MAX;
	while (position < end) {
		struct iovec v = lxe_ring_peek(p->ring, position);

		if (!v.iov_len)
			break;
		memcpy(file + len, v.iov_base, v.iov_len);
		len += v.iov_len;
		position += v.iov_len;
	}
	r = lxe_sandbox_put(p->keeper->sandbox.dir, LXE_SANDBOX_SCROLLBACK, file, len);
	free(file);
	return r;
}
