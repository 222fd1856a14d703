/*
 * A relay with all its ends in the test's hands, and the loop that an owner would run around it.
 */
#ifndef LXE_TESTS_RELAY_BENCH_H
#define LXE_TESTS_RELAY_BENCH_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "sys/fd.h"
#include "terminal/pty.h"
#include "terminal/relay.h"

#define DEADLINE_MS 20000

/* in_w ──► [in  relay  out] ──► out_r, and the far end of the master. */
struct bench {
	int in, in_w, out, out_r, master, far, ring_fd;
	struct lxe_ring *ring;
	struct lxe_relay *relay;
};

static inline void small_pipe(int ends[2], bool first_blocks, bool second_blocks)
{
	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_geq(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
	cr_assert_eq(sys_set_nonblock(ends[0], !first_blocks), 0);
	cr_assert_eq(sys_set_nonblock(ends[1], !second_blocks), 0);
}

static inline void begin(struct bench *b, int master, int far, bool in_blocks, bool out_blocks)
{
	int in[2], out[2];

	signal(SIGPIPE, SIG_IGN);
	small_pipe(in, in_blocks, false);
	small_pipe(out, false, out_blocks);
	*b = (struct bench){ .in = in[0],
		.in_w = in[1],
		.out = out[1],
		.out_r = out[0],
		.master = master,
		.far = far };
	cr_assert_eq(lxe_ring_new(&b->ring, &b->ring_fd), 0);
	cr_assert_eq(lxe_relay_new(&b->relay, b->in, b->out, b->master, b->ring), 0);
}

static inline void begin_socket(struct bench *b, bool in_blocks, bool out_blocks)
{
	int ends[2], size = 4096;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	begin(b, ends[0], ends[1], in_blocks, out_blocks);
}

/* The far end is a slave that neither echoes nor changes a byte. */
static inline void begin_pty(struct bench *b)
{
	struct lxe_pty pty;
	struct termios tio;

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	cr_assert_eq(tcgetattr(pty.slave, &tio), 0);
	tio.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ISIG);
	tio.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	tio.c_oflag &= ~(tcflag_t)OPOST;
	cr_assert_eq(tcsetattr(pty.slave, TCSANOW, &tio), 0);
	cr_assert_eq(sys_set_nonblock(pty.slave, true), 0);
	begin(b, pty.master, pty.slave, false, false);
}

static inline void end(struct bench *b)
{
	lxe_relay_free(b->relay);
	lxe_ring_unmap(b->ring);
	close(b->ring_fd);
	close(b->in);
	close(b->in_w);
	close(b->out);
	close(b->out_r);
	close(b->master);
	close(b->far);
}

static inline void drop(int *fd)
{
	close(*fd);
	*fd = -1;
}

/* One turn of an owner's loop: 0 or what ended the run; -ETIMEDOUT when nothing was ready. */
static inline int turn(struct bench *b, int timeout_ms)
{
	const enum lxe_relay_end ends[] = { LXE_RELAY_MASTER, LXE_RELAY_OUT, LXE_RELAY_IN };
	struct pollfd p[3];
	int r;

	for (int i = 0; i < 3; i++) {
		const int fds[] = { b->master, b->out, b->in };
		uint32_t wants = lxe_relay_wants(b->relay, ends[i]);

		p[i] = (struct pollfd){ .fd = wants ? fds[i] : -1, .events = (short)wants };
	}
	r = poll(p, 3, timeout_ms);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	for (int i = 0; i < 3; i++) {
		r = p[i].revents ? lxe_relay_step(b->relay, ends[i], (uint32_t)p[i].revents) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Turn until nothing is ready any more; whatever is in flight in the kernel takes no time here. */
static inline int settle(struct bench *b)
{
	int r;

	do {
		r = turn(b, 30);
	} while (r == 0);
	return r == -ETIMEDOUT ? 0 : r;
}

#endif
