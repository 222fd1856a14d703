#include "terminal/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "sys/fd.h"

#define BLOCKING_MAX ((size_t)1024) /* of one call on a descriptor that may block */
#define PIECE 4096		    /* of what is looked through for the detach keys */

/* Regular files never make a caller wait, whatever their flags say. */
bool lxe_may_block(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK))
		return false;
	return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
}

void lxe_input_init(struct lxe_input *r, int in, int master)
{
	r->in = in;
	r->master = master;
	r->in_blocks = in >= 0 && lxe_may_block(in);
	r->gate_open = false;
	r->detached = r->leaves = false;
	r->state = LXE_INPUT_OPEN;
	r->taken = r->sent = r->written = 0;
	r->last = 0;
	r->detach = (struct lxe_detach){ .held = 0 };
}

size_t lxe_input_len(const struct lxe_input *r)
{
	return (size_t)(r->taken - r->sent);
}

bool lxe_input_wants(const struct lxe_input *r)
{
	size_t reserve = r->detach.keys.n ? LXE_DETACH_MAX : 0;

	return r->state == LXE_INPUT_OPEN && lxe_input_len(r) + reserve < sizeof(r->buf);
}

bool lxe_input_wants_send(const struct lxe_input *r)
{
	return r->gate_open && (lxe_input_len(r) > 0 || r->state == LXE_INPUT_ENDED);
}

/* The contiguous part of the circular input buffer that begins at `position`. */
static size_t span_of(const struct lxe_input *r, uint64_t position, size_t len)
{
	size_t span = sizeof(r->buf) - position % sizeof(r->buf);

	return len < span ? len : span;
}

void lxe_input_close(struct lxe_input *r)
{
	r->sent = r->taken;
	r->state = LXE_INPUT_CLOSED;
}

static void queue(struct lxe_input *r, unsigned char c)
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
static void queue_eof(struct lxe_input *r)
{
	struct termios tio;
	unsigned char eof;

	r->state = LXE_INPUT_CLOSED;
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
int lxe_input_send(struct lxe_input *r)
{
	while (lxe_input_wants_send(r)) {
		size_t len = span_of(r, r->sent, lxe_input_len(r));
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
			lxe_input_close(r);
			return 0;
		}
		if (n < 0)
			return (int)n;
		r->last = p[n - 1];
		r->sent += (uint64_t)n;
		r->written += (uint64_t)n;
	}
	return 0;
}

static void push(struct lxe_input *r, const unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		queue(r, bytes[i]);
}

static void end_input(struct lxe_input *r)
{
	push(r, r->detach.keys.key, lxe_detach_end(&r->detach));
	r->detached = r->leaves;
	r->state = r->leaves ? LXE_INPUT_CLOSED : LXE_INPUT_ENDED;
}

/* The keys that detach are not passed on, and neither is what was typed behind them. */
static ssize_t read_through(struct lxe_input *r, size_t max)
{
	unsigned char piece[PIECE];
	struct lxe_detach_step step;
	ssize_t n;

	max = max < sizeof(piece) ? max : sizeof(piece);
	/* Room for what was held back is part of what is free: see lxe_input_wants(). */
	if (max <= LXE_DETACH_MAX)
		return -EAGAIN;
	n = sys_read(r->in, piece, max - LXE_DETACH_MAX);
	if (n <= 0)
		return n;
	step = lxe_detach_feed(&r->detach, piece, (size_t)n);
	push(r, r->detach.keys.key, step.release);
	push(r, piece, step.pass);
	if (step.detached) {
		r->detached = true;
		r->state = LXE_INPUT_CLOSED;
	}
	return n;
}

static ssize_t read_plain(struct lxe_input *r, size_t max)
{
	size_t len = span_of(r, r->taken, max);
	ssize_t n = sys_read(r->in, r->buf + r->taken % sizeof(r->buf), len);

	if (n > 0)
		r->taken += (uint64_t)n;
	return n;
}

/* One read: what a level-triggered poll reports again is left to the next step. */
int lxe_input_take(struct lxe_input *r)
{
	size_t max = sizeof(r->buf) - lxe_input_len(r);
	ssize_t n;

	if (r->in_blocks && max > BLOCKING_MAX)
		max = BLOCKING_MAX;
	n = r->detach.keys.n ? read_through(r, max) : read_plain(r, max);
	if (n == -EAGAIN)
		return 0;
	/* EIO: the caller's terminal was hung up, or we are in the background of it. */
	if (n == 0 || n == -EIO || n == -ECONNRESET)
		end_input(r);
	else if (n < 0)
		return (int)n;
	return 0;
}

static bool raises_signal(const struct termios *tio, unsigned char c)
{
	return c != _POSIX_VDISABLE &&
	       (c == tio->c_cc[VINTR] || c == tio->c_cc[VQUIT] || c == tio->c_cc[VSUSP]);
}

bool lxe_input_holds_signal(const struct lxe_input *r)
{
	struct termios tio;

	if (tcgetattr(r->master, &tio) < 0 || !(tio.c_lflag & ISIG))
		return false;
	for (uint64_t i = r->sent; i < r->taken; i++)
		if (raises_signal(&tio, r->buf[i % sizeof(r->buf)]))
			return true;
	return false;
}

size_t lxe_input_unsent(const struct lxe_input *r, unsigned char *bytes)
{
	size_t n = lxe_input_len(r);

	for (size_t i = 0; i < n; i++)
		bytes[i] = r->buf[(r->sent + i) % sizeof(r->buf)];
	memcpy(bytes + n, r->detach.keys.key, r->detach.held);
	return n + r->detach.held;
}

void lxe_input_preload(struct lxe_input *r, const unsigned char *bytes, size_t n)
{
	push(r, bytes, n < sizeof(r->buf) ? n : sizeof(r->buf));
}
