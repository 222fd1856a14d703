#include "terminal/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "sys/fd.h"

#define STEP_MAX ((size_t)64 * 1024)   /* fair share of one step */
#define BLOCKING_MAX ((size_t)1024)    /* of one call on a descriptor that may block */
#define SHORT_READ ((ssize_t)2 * 1024) /* the pty had no more for now */
#define READY (EPOLLIN | EPOLLHUP | EPOLLERR)

/*
 * The life of the input:
 *   OPEN ──end of `in`──► ENDED ──all was sent, VEOF is queued──► CLOSED
 * Whoever hangs up the slave, or lxe_relay_finish(), goes straight to CLOSED with nothing left.
 */
enum input_state { INPUT_OPEN, INPUT_ENDED, INPUT_CLOSED };

struct lxe_relay {
	struct lxe_ring *ring;
	int in, out, master;
	bool in_blocks, out_blocks;
	bool out_is_tty;
	bool gate_open;
	bool master_ended;
	enum input_state input;
	uint64_t delivered;   /* position in the ring up to which `out` has everything */
	uint64_t taken, sent; /* bytes that came into and went out of the buffer */
	unsigned char last;   /* of the bytes sent */
	unsigned char buf[LXE_RELAY_INPUT_MAX];
};

/* Regular files never make a caller wait, whatever their flags say. */
static bool may_block(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK))
		return false;
	return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
}

/* isatty(3) denies it of a terminal that was hung up; that it is a device does not change. */
static bool is_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

int lxe_relay_new(struct lxe_relay **ret, int in, int out, int master, struct lxe_ring *ring)
{
	struct lxe_relay *r;

	if (may_block(master))
		return -EINVAL;
	r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct lxe_relay){
		.ring = ring,
		.in = in,
		.out = out,
		.master = master,
		.in_blocks = may_block(in),
		.out_blocks = may_block(out),
		.out_is_tty = is_device(out),
		.delivered = lxe_ring_written(ring),
	};
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

static size_t input_len(const struct lxe_relay *r)
{
	return (size_t)(r->taken - r->sent);
}

static bool wants_output(const struct lxe_relay *r)
{
	return !r->master_ended && backlog(r) <= LXE_RELAY_BACKLOG;
}

static bool wants_input(const struct lxe_relay *r)
{
	return r->input == INPUT_OPEN && input_len(r) < sizeof(r->buf);
}

static bool wants_send(const struct lxe_relay *r)
{
	return r->gate_open && (input_len(r) > 0 || r->input == INPUT_ENDED);
}

uint32_t lxe_relay_wants(const struct lxe_relay *r, enum lxe_relay_end end)
{
	switch (end) {
	case LXE_RELAY_IN:
		return wants_input(r) ? EPOLLIN : 0;
	case LXE_RELAY_OUT:
		return backlog(r) ? EPOLLOUT : 0;
	case LXE_RELAY_MASTER:
		return (wants_output(r) ? EPOLLIN : 0) | (wants_send(r) ? EPOLLOUT : 0);
	}
	return 0;
}

/* The contiguous part of the circular input buffer that begins at `position`. */
static size_t input_span(const struct lxe_relay *r, uint64_t position, size_t len)
{
	size_t span = sizeof(r->buf) - position % sizeof(r->buf);

	return len < span ? len : span;
}

static void close_input(struct lxe_relay *r)
{
	r->sent = r->taken;
	r->input = INPUT_CLOSED;
}

static void queue(struct lxe_relay *r, unsigned char c)
{
	r->buf[r->taken++ % sizeof(r->buf)] = c;
}

/* Does a canonical slave take `c` as the end of a line, so that nothing of it is pending? */
static bool ends_line(const struct termios *tio, unsigned char c)
{
	if (c == '\r' && (tio->c_iflag & (ICRNL | IGNCR)) == ICRNL)
		return true;
	if (c == '\n' && !(tio->c_iflag & INLCR))
		return true;
	if (c == _POSIX_VDISABLE)
		return false;
	return c == tio->c_cc[VEOF] || c == tio->c_cc[VEOL] || c == tio->c_cc[VEOL2];
}

/*
 * Everything before the end of `in` was sent: say so with the slave's own end-of-file character.
 * In canonical mode it makes read(2) return what is pending, and only when nothing is pending is
 * that an end of file (termios(3)); so behind half a line it takes two. Without canonical mode it is
 * a character that line editors take for the end, as script(1) relies upon.
 */
static void queue_eof(struct lxe_relay *r)
{
	struct termios tio;
	unsigned char eof;

	r->input = INPUT_CLOSED;
	if (tcgetattr(r->master, &tio) < 0)
		return;
	eof = tio.c_cc[VEOF];
	if (eof == _POSIX_VDISABLE)
		return;
	if ((tio.c_lflag & ICANON) && r->sent > 0 && !ends_line(&tio, r->last))
		queue(r, eof);
	queue(r, eof);
}

/*
 * Send what the gate lets through. The line discipline of a canonical slave keeps complete lines as
 * long as nobody reads them and gives EAGAIN behind about 15 KiB, so input of any length arrives
 * whole at a slow reader. A single line is cut to 4095 bytes plus its end, as on any terminal.
 */
static int send_input(struct lxe_relay *r)
{
	while (wants_send(r)) {
		size_t len = input_span(r, r->sent, input_len(r));
		const unsigned char *p = r->buf + r->sent % sizeof(r->buf);
		ssize_t n;

		if (len == 0) {
			queue_eof(r);
			continue;
		}
		n = sys_write(r->master, p, len);
		if (n == -EAGAIN || n == 0)
			return 0;
		/*
		 * Nobody holds the slave (Linux 6.18 takes the bytes even then). Its output may
		 * still have to be read: no reason to end.
		 */
		if (n == -EIO || n == -EPIPE || n == -ECONNRESET) {
			close_input(r);
			return 0;
		}
		if (n < 0)
			return (int)n;
		r->last = p[n - 1];
		r->sent += (uint64_t)n;
	}
	return 0;
}

/* One read: what a level-triggered poll reports again is left to the next step. */
static int take_input(struct lxe_relay *r)
{
	size_t len = input_span(r, r->taken, sizeof(r->buf) - input_len(r));
	ssize_t n;

	if (r->in_blocks && len > BLOCKING_MAX)
		len = BLOCKING_MAX;
	n = sys_read(r->in, r->buf + r->taken % sizeof(r->buf), len);
	if (n == -EAGAIN)
		return 0;
	/* EIO: the caller's terminal was hung up, or we are in the background of it. */
	if (n == 0 || n == -EIO || n == -ECONNRESET) {
		r->input = INPUT_ENDED;
		return 0;
	}
	if (n < 0)
		return (int)n;
	r->taken += (uint64_t)n;
	return 0;
}

static int deliver_some(struct lxe_relay *r, size_t max, bool *more)
{
	struct iovec v = lxe_ring_peek(r->ring, r->delivered);
	ssize_t n;

	n = sys_write(r->out, v.iov_base, v.iov_len < max ? v.iov_len : max);
	*more = n > 0;
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return n == -ECONNRESET ? -EPIPE : (int)n;
	r->delivered += (uint64_t)n;
	return 0;
}

static int deliver(struct lxe_relay *r)
{
	bool more = true;
	int res = 0;

	if (r->out_blocks)
		return backlog(r) ? deliver_some(r, BLOCKING_MAX, &more) : 0;
	while (res == 0 && more && backlog(r))
		res = deliver_some(r, LXE_RING_SIZE, &more);
	return res;
}

/*
 * One read from the master straight into the ring, into no byte that `out` has not got yet: what
 * was read, 0 when there is nothing for now.
 */
static ssize_t read_master(struct lxe_relay *r, size_t max)
{
	size_t room = LXE_RING_SIZE - backlog(r);
	struct iovec v = lxe_ring_room(r->ring, max < room ? max : room);
	ssize_t n = sys_read(r->master, v.iov_base, v.iov_len);

	lxe_ring_publish(r->ring, n > 0 ? (size_t)n : 0);
	if (n == -EAGAIN)
		return 0;
	/* EIO is a master's end of file (pty(7)); a hang-up is not, the slave may be opened again. */
	if (n == 0 || n == -EIO) {
		r->master_ended = true;
		close_input(r);
		return 0;
	}
	return n;
}

static int take_output(struct lxe_relay *r)
{
	size_t total = 0;
	ssize_t n = 0;

	while (wants_output(r) && total < STEP_MAX) {
		n = read_master(r, STEP_MAX - total);
		if (n <= 0)
			break;
		r->gate_open = true;
		total += (size_t)n;
		if (n < SHORT_READ)
			break;
	}
	return n < 0 ? (int)n : 0;
}

static int step_in(struct lxe_relay *r, uint32_t events)
{
	int res;

	if (!(events & READY) || !wants_input(r))
		return 0;
	res = take_input(r);
	return res < 0 ? res : send_input(r);
}

/* A pipe without a reader, or a terminal that is gone, is seen before anything has to be written. */
static int step_out(struct lxe_relay *r, uint32_t events)
{
	int res = deliver(r);

	if (res < 0 || backlog(r))
		return res;
	if (events & (EPOLLERR | EPOLLHUP))
		return r->out_is_tty ? -EIO : -EPIPE;
	return 0;
}

static int step_master(struct lxe_relay *r, uint32_t events)
{
	bool was_open = r->gate_open;
	int res = 0;

	if (events & READY)
		res = take_output(r);
	/* Where `out` may block, only a poll can tell when it may be written. */
	if (res == 0 && !r->out_blocks)
		res = deliver(r);
	if (res == 0 && ((events & EPOLLOUT) || r->gate_open != was_open))
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
	r->gate_open = true;
}

bool lxe_relay_gate_open(const struct lxe_relay *r)
{
	return r->gate_open;
}

bool lxe_relay_holds_input(const struct lxe_relay *r)
{
	return !r->gate_open && (input_len(r) > 0 || r->input == INPUT_ENDED);
}

static bool raises_signal(const struct termios *tio, unsigned char c)
{
	return c != _POSIX_VDISABLE &&
	       (c == tio->c_cc[VINTR] || c == tio->c_cc[VQUIT] || c == tio->c_cc[VSUSP]);
}

bool lxe_relay_holds_signal(const struct lxe_relay *r)
{
	struct termios tio;

	if (!lxe_relay_holds_input(r) || tcgetattr(r->master, &tio) < 0 || !(tio.c_lflag & ISIG))
		return false;
	for (uint64_t i = r->sent; i < r->taken; i++)
		if (raises_signal(&tio, r->buf[i % sizeof(r->buf)]))
			return true;
	return false;
}

void lxe_relay_finish(struct lxe_relay *r)
{
	close_input(r);
}

bool lxe_relay_drained(const struct lxe_relay *r)
{
	return r->master_ended && lxe_relay_flushed(r);
}

bool lxe_relay_flushed(const struct lxe_relay *r)
{
	return backlog(r) == 0;
}
