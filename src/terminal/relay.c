#include "terminal/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/brief.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/governor.h"
#include "terminal/input.h"
#include "terminal/pty.h"

#define STEP_MAX ((size_t)64 * 1024)   /* fair share of one step */
#define BLOCKING_MAX ((size_t)1024)    /* of one call on a descriptor that may block */
#define SHORT_READ ((ssize_t)2 * 1024) /* the pty had no more for now */
#define READY (EPOLLIN | EPOLLHUP | EPOLLERR)

struct lxe_relay {
	struct lxe_ring *ring;
	int out, master;
	int bell; /* rung for everything that was read; -EBADF: nobody listens */
	bool out_blocks;
	bool out_is_tty;
	bool master_ended;
	uint64_t last;		       /* position in the ring up to which the master is read */
	uint64_t delivered;	       /* position in the ring up to which `out` has everything */
	struct lxe_governor *governor; /* between the ring and `out`; NULL: nothing is */
	struct lxe_input input;
};

/* isatty(3) denies it of a terminal that was hung up; that it is a device does not change. */
static bool is_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

int lxe_relay_new(struct lxe_relay **ret, int in, int out, int master, struct lxe_ring *ring)
{
	struct lxe_relay *r;

	if (lxe_may_block(master))
		return -EINVAL;
	r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->ring = ring;
	r->out = out;
	r->master = master;
	r->bell = -EBADF;
	r->out_blocks = lxe_may_block(out);
	r->out_is_tty = is_device(out);
	r->master_ended = false;
	r->last = UINT64_MAX;
	r->governor = NULL;
	r->delivered = lxe_ring_written(ring);
	lxe_input_init(&r->input, in, master);
	*ret = r;
	return 0;
}

void lxe_relay_free(struct lxe_relay *r)
{
	free(r);
}

static size_t backlog(const struct lxe_relay *r)
{
	return (size_t)(lxe_ring_written(r->ring) - r->delivered);
}

static bool wants_output(const struct lxe_relay *r)
{
	return !r->master_ended && backlog(r) <= LXE_RELAY_BACKLOG;
}

uint32_t lxe_relay_wants(const struct lxe_relay *r, enum lxe_relay_end end)
{
	switch (end) {
	case LXE_RELAY_IN:
		return lxe_input_wants(&r->input) ? EPOLLIN : 0;
	case LXE_RELAY_OUT:
		return lxe_relay_flushed(r) ? 0 : EPOLLOUT;
	case LXE_RELAY_MASTER:
		return (wants_output(r) ? EPOLLIN : 0) |
		       (lxe_input_wants_send(&r->input) ? EPOLLOUT : 0);
	}
	return 0;
}

static int deliver_some(struct lxe_relay *r, size_t max, bool *more)
{
	struct iovec v = lxe_ring_peek(r->ring, r->delivered);
	ssize_t n;

	if (v.iov_len > max)
		v.iov_len = max;
	n = r->out_blocks ? sys_write_brief(r->out, v.iov_base, v.iov_len)
			  : sys_write(r->out, v.iov_base, v.iov_len);
	*more = n > 0;
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return n == -ECONNRESET ? -EPIPE : (int)n;
	r->delivered += (uint64_t)n;
	return 0;
}

static int deliver_governed(struct lxe_relay *r)
{
	size_t n;
	int res;

	do {
		struct iovec v = lxe_ring_peek(r->ring, r->delivered);

		n = lxe_governor_put(r->governor, LXE_STREAM_OUT, v.iov_base, v.iov_len);
		r->delivered += n;
		res = lxe_governor_push(r->governor, LXE_STREAM_OUT);
	} while (res >= 0 && n && backlog(r));
	return res < 0 ? res : 0;
}

static int deliver(struct lxe_relay *r)
{
	bool more = true;
	int res = 0;

	if (r->governor)
		return deliver_governed(r);
	if (r->out_blocks)
		return backlog(r) ? deliver_some(r, BLOCKING_MAX, &more) : 0;
	while (res == 0 && more && backlog(r))
		res = deliver_some(r, LXE_RING_SIZE, &more);
	return res;
}

static void end_master(struct lxe_relay *r)
{
	r->master_ended = true;
	lxe_input_close(&r->input);
}

/*
 * One read from the master straight into the ring, into no byte that `out` has not got yet: what
 * was read, 0 when there is nothing for now.
 */
static ssize_t read_master(struct lxe_relay *r, size_t max)
{
	size_t room = LXE_RING_SIZE - backlog(r);
	uint64_t left = r->last - lxe_ring_written(r->ring);
	struct iovec v;
	ssize_t n;

	max = max < room ? max : room;
	v = lxe_ring_room(r->ring, max < left ? max : (size_t)left);
	n = sys_read(r->master, v.iov_base, v.iov_len);
	lxe_ring_publish(r->ring, n > 0 ? (size_t)n : 0);
	if (n == -EAGAIN)
		return 0;
	/* EIO is a master's end of file (pty(7)); a hang-up is not, the slave may be opened again. */
	if (n == 0 || n == -EIO || (n > 0 && (uint64_t)n == left))
		end_master(r);
	return n == -EIO ? 0 : n;
}

static int take_output(struct lxe_relay *r)
{
	size_t total = 0;
	ssize_t n = 0;

	while (wants_output(r) && total < STEP_MAX) {
		n = read_master(r, STEP_MAX - total);
		if (n <= 0)
			break;
		r->input.gate_open = true;
		total += (size_t)n;
		if (n < SHORT_READ)
			break;
	}
	if (total)
		sys_ring(r->bell);
	return n < 0 ? (int)n : 0;
}

static int send_input(struct lxe_relay *r)
{
	uint64_t before = r->input.written;
	int res = lxe_input_send(&r->input);

	if (r->input.written > before)
		lxe_ring_add_input(r->ring, r->input.written - before);
	return res;
}

static int step_in(struct lxe_relay *r, uint32_t events)
{
	int res;

	if (!(events & READY) || !lxe_input_wants(&r->input))
		return 0;
	res = lxe_input_take(&r->input);
	return res < 0 ? res : send_input(r);
}

/* A pipe without a reader, or a terminal that is gone, is seen before anything has to be written. */
static int step_out(struct lxe_relay *r, uint32_t events)
{
	int res = deliver(r);

	if (res < 0 || !lxe_relay_flushed(r))
		return res;
	if (events & (EPOLLERR | EPOLLHUP))
		return r->out_is_tty ? -EIO : -EPIPE;
	return 0;
}

static int step_master(struct lxe_relay *r, uint32_t events)
{
	bool was_open = r->input.gate_open;
	int res = 0;

	if (events & READY)
		res = take_output(r);
	/* Where `out` may block, only a poll can tell when it may be written. */
	if (res == 0 && (!r->out_blocks || r->governor))
		res = deliver(r);
	if (res == 0 && ((events & EPOLLOUT) || r->input.gate_open != was_open))
		res = send_input(r);
	return res;
}

int lxe_relay_step(struct lxe_relay *r, enum lxe_relay_end end, uint32_t events)
{
	switch (end) {
	case LXE_RELAY_IN:
		return step_in(r, events);
	case LXE_RELAY_OUT:
		return step_out(r, events);
	case LXE_RELAY_MASTER:
		return step_master(r, events);
	}
	return -EINVAL;
}

void lxe_relay_open_gate(struct lxe_relay *r)
{
	r->input.gate_open = true;
}

bool lxe_relay_gate_open(const struct lxe_relay *r)
{
	return r->input.gate_open;
}

bool lxe_relay_holds_input(const struct lxe_relay *r)
{
	return !r->input.gate_open &&
	       (lxe_input_len(&r->input) > 0 || r->input.state == LXE_INPUT_ENDED);
}

bool lxe_relay_holds_signal(const struct lxe_relay *r)
{
	return lxe_relay_holds_input(r) && lxe_input_holds_signal(&r->input);
}

void lxe_relay_set_detach(struct lxe_relay *r, const struct lxe_detach_keys *keys)
{
	r->input.detach.keys = *keys;
	r->input.leaves = true;
}

bool lxe_relay_detached(const struct lxe_relay *r)
{
	return r->input.detached && lxe_input_len(&r->input) == 0;
}

void lxe_relay_govern(struct lxe_relay *r, struct lxe_governor *g)
{
	r->governor = g;
}

void lxe_relay_end_output(struct lxe_relay *r)
{
	if (!r->governor)
		return;
	lxe_governor_end(r->governor, LXE_STREAM_OUT);
	r->delivered = lxe_ring_written(r->ring);
}

void lxe_relay_take_last(struct lxe_relay *r)
{
	if (r->last == UINT64_MAX)
		r->last = lxe_ring_written(r->ring) + LXE_PTY_HOLDS;
}

void lxe_relay_set_bell(struct lxe_relay *r, int bell)
{
	r->bell = bell;
	/* What was read while it was on its way: nobody has been told of that. */
	sys_ring(bell);
}

size_t lxe_relay_unsent(const struct lxe_relay *r, unsigned char *bytes)
{
	return lxe_input_unsent(&r->input, bytes);
}

void lxe_relay_preload(struct lxe_relay *r, const unsigned char *bytes, size_t n)
{
	lxe_input_preload(&r->input, bytes, n);
}

void lxe_relay_finish(struct lxe_relay *r)
{
	lxe_input_close(&r->input);
}

bool lxe_relay_drained(const struct lxe_relay *r)
{
	return r->master_ended && lxe_relay_flushed(r);
}

bool lxe_relay_flushed(const struct lxe_relay *r)
{
	return backlog(r) == 0 &&
	       !(r->governor && lxe_governor_pending(r->governor, LXE_STREAM_OUT));
}
