#include "terminal/relay.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "random.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/pty.h"

#define DEADLINE_MS 20000

/* in_w ──► [in  relay  out] ──► out_r, and the far end of the master. */
struct bench {
	int in, in_w, out, out_r, master, far, ring_fd;
	struct lxe_ring *ring;
	struct lxe_relay *relay;
};

static void small_pipe(int ends[2], bool first_blocks, bool second_blocks)
{
	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_geq(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
	cr_assert_eq(sys_set_nonblock(ends[0], !first_blocks), 0);
	cr_assert_eq(sys_set_nonblock(ends[1], !second_blocks), 0);
}

static void begin(struct bench *b, int master, int far, bool in_blocks, bool out_blocks)
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

static void begin_socket(struct bench *b, bool in_blocks, bool out_blocks)
{
	int ends[2], size = 4096;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	begin(b, ends[0], ends[1], in_blocks, out_blocks);
}

/* The far end is a slave that neither echoes nor changes a byte. */
static void begin_pty(struct bench *b)
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

static void end(struct bench *b)
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

static void drop(int *fd)
{
	close(*fd);
	*fd = -1;
}

/* One turn of an owner's loop: 0 or what ended the run; -ETIMEDOUT when nothing was ready. */
static int turn(struct bench *b, int timeout_ms)
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
static int settle(struct bench *b)
{
	int r;

	do {
		r = turn(b, 30);
	} while (r == 0);
	return r == -ETIMEDOUT ? 0 : r;
}

static void send_in(struct bench *b, const char *text)
{
	cr_assert_eq(sys_write_all(b->in_w, text, strlen(text)), 0);
}

static void expect_read(int fd, const char *text)
{
	char buf[256] = "";
	struct pollfd p = { .fd = fd, .events = POLLIN };

	cr_assert_eq(poll(&p, 1, DEADLINE_MS), 1);
	cr_assert_eq(sys_read(fd, buf, sizeof(buf) - 1), (ssize_t)strlen(text));
	cr_assert_str_eq(buf, text);
}

static void expect_nothing(int fd)
{
	char c;

	cr_assert_eq(sys_read(fd, &c, 1), -EAGAIN);
}

Test(relay, a_master_that_blocks_is_refused)
{
	struct lxe_relay *relay = NULL;
	int ends[2];

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(lxe_relay_new(&relay, ends[0], ends[1], ends[0], NULL), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	lxe_relay_free(NULL);
}

Test(relay, the_gate_holds_input_until_it_is_opened)
{
	struct bench b;

	begin_socket(&b, false, false);
	cr_assert_not(lxe_relay_holds_input(b.relay));
	send_in(&b, "hello");
	cr_assert_eq(settle(&b), 0);
	cr_assert(lxe_relay_holds_input(b.relay));
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_MASTER), EPOLLIN);
	expect_nothing(b.far);
	lxe_relay_open_gate(b.relay);
	cr_assert_not(lxe_relay_holds_input(b.relay));
	cr_assert_eq(settle(&b), 0);
	expect_read(b.far, "hello");
	end(&b);
}

Test(relay, a_byte_of_output_opens_the_gate)
{
	struct bench b;

	begin_socket(&b, false, false);
	send_in(&b, "hello");
	cr_assert_eq(settle(&b), 0);
	cr_assert_eq(sys_write(b.far, "$", 1), 1);
	cr_assert_eq(settle(&b), 0);
	cr_assert(lxe_relay_gate_open(b.relay));
	expect_read(b.far, "hello");
	expect_read(b.out_r, "$");
	end(&b);
}

Test(relay, the_gate_holds_no_more_than_the_buffer)
{
	struct bench b;
	char chunk[4096];
	size_t written = 0;

	begin_socket(&b, false, false);
	memset(chunk, 'x', sizeof(chunk));
	for (;;) {
		ssize_t n = sys_write(b.in_w, chunk, sizeof(chunk));

		if (n == -EAGAIN && lxe_relay_wants(b.relay, LXE_RELAY_IN) == 0)
			break;
		written += n > 0 ? (size_t)n : 0;
		cr_assert_eq(settle(&b), 0);
	}
	cr_assert_eq(written, LXE_RELAY_INPUT_MAX + 4096);
	end(&b);
}

Test(relay, an_end_of_input_at_the_gate_is_held_and_asks_for_nothing)
{
	struct bench b;

	begin_pty(&b);
	drop(&b.in_w);
	cr_assert_eq(settle(&b), 0);
	cr_assert(lxe_relay_holds_input(b.relay));
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_IN), 0);
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_IN, EPOLLHUP), 0);
	expect_nothing(b.far);
	end(&b);
}

/* What a slave reads after `text` and the end of the input. */
static void expect_end(const char *text, bool has_line_end)
{
	struct bench b;

	begin_pty(&b);
	lxe_relay_open_gate(b.relay);
	send_in(&b, text);
	drop(&b.in_w);
	cr_assert_eq(settle(&b), 0);
	if (*text)
		expect_read(b.far, text);
	expect_read(b.far, "");
	cr_assert(has_line_end || *text);
	expect_nothing(b.far);
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_MASTER), EPOLLIN);
	end(&b);
}

Test(relay, canonical_end_of_nothing)
{
	expect_end("", true);
}

Test(relay, canonical_end_behind_a_line)
{
	expect_end("abc\n", true);
}

Test(relay, canonical_end_behind_half_a_line)
{
	expect_end("abc", false);
}

/* The slave's settings decide: change them with `set`, send "abc", expect exactly `text`. */
static void expect_end_with(void (*set)(struct termios *), const char *text)
{
	struct bench b;
	struct termios tio;

	begin_pty(&b);
	cr_assert_eq(tcgetattr(b.far, &tio), 0);
	set(&tio);
	cr_assert_eq(tcsetattr(b.far, TCSANOW, &tio), 0);
	lxe_relay_open_gate(b.relay);
	send_in(&b, "abc");
	drop(&b.in_w);
	cr_assert_eq(settle(&b), 0);
	if (*text)
		expect_read(b.far, text);
	expect_nothing(b.far);
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_MASTER), EPOLLIN);
	end(&b);
}

static void set_raw(struct termios *tio)
{
	tio->c_lflag &= ~(tcflag_t)ICANON;
	tio->c_cc[VMIN] = 1;
	tio->c_cc[VTIME] = 0;
}

static void set_no_eof(struct termios *tio)
{
	tio->c_cc[VEOF] = _POSIX_VDISABLE;
}

Test(relay, without_canonical_mode_the_end_is_one_character)
{
	expect_end_with(set_raw, "abc\4");
}

Test(relay, a_disabled_end_of_file_character_is_not_sent)
{
	expect_end_with(set_no_eof, "");
}

Test(relay, the_end_of_file_character_is_the_slaves_own)
{
	struct bench b;
	struct termios tio;

	begin_pty(&b);
	cr_assert_eq(tcgetattr(b.far, &tio), 0);
	tio.c_cc[VEOF] = 'Z';
	tio.c_cc[VEOL] = ';';
	cr_assert_eq(tcsetattr(b.far, TCSANOW, &tio), 0);
	lxe_relay_open_gate(b.relay);
	send_in(&b, "one;");
	drop(&b.in_w);
	cr_assert_eq(settle(&b), 0);
	expect_read(b.far, "one;");
	expect_read(b.far, "");
	expect_nothing(b.far);
	end(&b);
}

Test(relay, eio_is_the_end_of_the_master_after_its_last_byte)
{
	struct bench b;

	begin_pty(&b);
	cr_assert_eq(sys_write(b.far, "last", 4), 4);
	drop(&b.far);
	cr_assert_not(lxe_relay_drained(b.relay));
	while (!lxe_relay_drained(b.relay))
		cr_assert_eq(turn(&b, DEADLINE_MS), 0);
	expect_read(b.out_r, "last");
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_MASTER), 0);
	end(&b);
}

Test(relay, output_is_drained_although_nobody_takes_the_input)
{
	struct bench b;

	begin_pty(&b);
	send_in(&b, "for nobody\n");
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_IN, EPOLLIN), 0);
	cr_assert_eq(sys_write(b.far, "last", 4), 4);
	drop(&b.far);
	lxe_relay_open_gate(b.relay);
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_MASTER, EPOLLOUT), 0);
	while (!lxe_relay_drained(b.relay))
		cr_assert_eq(turn(&b, DEADLINE_MS), 0);
	expect_read(b.out_r, "last");
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_IN), 0);
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_MASTER), 0);
	end(&b);
}

Test(relay, finish_drops_the_input_and_keeps_the_output)
{
	struct bench b;

	begin_pty(&b);
	send_in(&b, "late");
	cr_assert_eq(settle(&b), 0);
	cr_assert_eq(sys_write(b.far, "out", 3), 3);
	lxe_relay_finish(b.relay);
	cr_assert_not(lxe_relay_holds_input(b.relay));
	cr_assert_eq(settle(&b), 0);
	expect_read(b.out_r, "out");
	expect_nothing(b.far);
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_IN), 0);
	cr_assert_eq(lxe_relay_wants(b.relay, LXE_RELAY_MASTER), EPOLLIN);
	cr_assert(lxe_relay_flushed(b.relay));
	cr_assert_not(lxe_relay_drained(b.relay));
	end(&b);
}

Test(relay, a_reader_that_goes_away_ends_the_run)
{
	struct bench b;

	begin_socket(&b, false, false);
	drop(&b.out_r);
	cr_assert_eq(sys_write(b.far, "x", 1), 1);
	cr_assert_eq(settle(&b), -EPIPE);
	end(&b);

	begin_socket(&b, false, false);
	drop(&b.out_r);
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_OUT, EPOLLERR), -EPIPE);
	end(&b);
}

Test(relay, a_terminal_that_was_hung_up_is_the_end_of_both_sides)
{
	struct bench b;
	struct lxe_pty callers;
	struct lxe_relay *relay = NULL;

	begin_socket(&b, false, false);
	cr_assert_eq(lxe_pty_open(&callers, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	cr_assert_eq(sys_set_nonblock(callers.slave, true), 0);
	cr_assert_eq(lxe_relay_new(&relay, callers.slave, callers.slave, b.master, b.ring), 0);
	drop(&callers.master);
	cr_assert_eq(lxe_relay_step(relay, LXE_RELAY_IN, EPOLLIN | EPOLLHUP | EPOLLERR), 0);
	cr_assert(lxe_relay_holds_input(relay));
	cr_assert_eq(lxe_relay_wants(relay, LXE_RELAY_IN), 0);
	cr_assert_eq(sys_write(b.far, "x", 1), 1);
	cr_assert_eq(lxe_relay_step(relay, LXE_RELAY_MASTER, EPOLLIN), -EIO);
	lxe_relay_free(relay);
	lxe_pty_release(&callers);
	end(&b);
}

Test(relay, blocking_ends_move_one_kib_per_step)
{
	struct bench b;
	char bytes[3000];
	struct pollfd p;
	int queued;

	begin_socket(&b, true, true);
	memset(bytes, 'x', sizeof(bytes));
	cr_assert_eq(sys_write(b.far, bytes, sizeof(bytes)), sizeof(bytes));
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_MASTER, EPOLLIN), 0);
	p = (struct pollfd){ .fd = b.out_r, .events = POLLIN };
	cr_assert_eq(poll(&p, 1, 0), 0);
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_OUT, EPOLLOUT), 0);
	cr_assert_eq(ioctl(b.out_r, FIONREAD, &queued), 0);
	cr_assert_eq(queued, 1024);

	cr_assert_eq(sys_write(b.in_w, bytes, sizeof(bytes)), sizeof(bytes));
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_IN, EPOLLIN), 0);
	cr_assert_eq(ioctl(b.in, FIONREAD, &queued), 0);
	cr_assert_eq(queued, (int)sizeof(bytes) - 1024);
	end(&b);
}

Test(relay, the_master_is_not_read_while_nobody_takes_the_output)
{
	struct bench b;
	char bytes[4096];
	uint64_t kept;

	begin_socket(&b, false, false);
	memset(bytes, 'x', sizeof(bytes));
	for (;;) {
		ssize_t n = sys_write(b.far, bytes, sizeof(bytes));

		cr_assert_eq(settle(&b), 0);
		if (n == -EAGAIN && !(lxe_relay_wants(b.relay, LXE_RELAY_MASTER) & EPOLLIN))
			break;
	}
	kept = lxe_ring_written(b.ring);
	cr_assert_gt(kept, LXE_RELAY_BACKLOG);
	cr_assert_leq(kept, LXE_RING_SIZE);
	cr_assert_eq(lxe_relay_step(b.relay, LXE_RELAY_MASTER, EPOLLIN | EPOLLHUP), 0);
	cr_assert_eq(lxe_ring_written(b.ring), kept);
	end(&b);
}

/* A stream whose every byte is known by its position. */
static unsigned char byte_at(uint64_t position, unsigned char salt)
{
	return (unsigned char)((position * 31 + (position >> 8) * 17) ^ salt);
}

struct stream {
	uint64_t put, got;
	unsigned char salt;
};

static void stream_put(struct stream *s, int fd, size_t n)
{
	unsigned char buf[8192];
	ssize_t w;

	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(s->put + i, s->salt);
	w = sys_write(fd, buf, n);
	cr_assert(w == -EAGAIN || w >= 0);
	s->put += w > 0 ? (uint64_t)w : 0;
}

static void stream_get(struct stream *s, int fd, size_t n, uint64_t seed)
{
	unsigned char buf[8192];
	ssize_t r = sys_read(fd, buf, n);

	cr_assert(r == -EAGAIN || r >= 0);
	for (ssize_t i = 0; i < r; i++)
		cr_assert_eq(buf[i], byte_at(s->got + (uint64_t)i, s->salt),
			"seed %" PRIu64 ": wrong byte at %" PRIu64, seed, s->got + (uint64_t)i);
	s->got += r > 0 ? (uint64_t)r : 0;
}

/* Step one end; where it may block, only with what poll says. */
static void step_random(struct bench *b, uint64_t *state, bool blocking)
{
	const int fds[] = { b->in, b->out, b->master };
	enum lxe_relay_end which = (enum lxe_relay_end)rnd_below(state, 3);
	uint32_t wants = lxe_relay_wants(b->relay, which);
	struct pollfd p = { .fd = fds[which], .events = (short)wants };

	if (!blocking && rnd_below(state, 4) == 0) {
		cr_assert_eq(lxe_relay_step(b->relay, which, EPOLLIN | EPOLLOUT), 0);
		return;
	}
	if (wants && poll(&p, 1, 0) > 0)
		cr_assert_eq(lxe_relay_step(b->relay, which, (uint32_t)p.revents), 0);
}

static void check_model(const struct bench *b, const struct stream *input,
	const struct stream *output, uint64_t seed)
{
	cr_assert_leq(output->got, lxe_ring_written(b->ring), "seed %" PRIu64, seed);
	cr_assert_leq(lxe_ring_written(b->ring), output->put, "seed %" PRIu64, seed);
	cr_assert_leq(lxe_ring_written(b->ring) - output->got, LXE_RING_SIZE + 8192,
		"seed %" PRIu64, seed);
	if (!lxe_relay_gate_open(b->relay))
		cr_assert_eq(input->got, 0, "seed %" PRIu64, seed);
}

static void run_model(uint64_t seed, bool blocking)
{
	struct bench b;
	uint64_t state = seed, deadline = sys_now_ms() + DEADLINE_MS;
	struct stream input = { .salt = 0x5a }, output = { .salt = 0xc3 };
	/* One side of the two is starved in each phase, so that every queue fills and empties. */
	size_t bias = 0;

	begin_socket(&b, blocking, blocking);
	for (int i = 0; i < 60000; i++) {
		if (i % 500 == 0)
			bias = rnd_below(&state, 5);
		for (size_t k = 0; k < 4; k++) {
			size_t n = 1 + rnd_below(&state, rnd_below(&state, 3) ? 300 : 8192);

			if (k == bias)
				continue;
			if (k == 0)
				stream_put(&input, b.in_w, n);
			else if (k == 1)
				stream_get(&input, b.far, n, seed);
			else if (k == 2 && i > 2000)
				stream_put(&output, b.far, n);
			else
				stream_get(&output, b.out_r, n, seed);
		}
		for (size_t k = rnd_below(&state, 6); k > 0; k--)
			step_random(&b, &state, blocking);
		check_model(&b, &input, &output, seed);
	}
	drop(&b.in_w);
	while ((input.got < input.put || output.got < output.put) && sys_now_ms() < deadline) {
		stream_get(&input, b.far, 8192, seed);
		stream_get(&output, b.out_r, 8192, seed);
		cr_assert(turn(&b, 0) != -EPIPE);
	}
	cr_assert_eq(input.got, input.put, "seed %" PRIu64, seed);
	cr_assert_eq(output.got, output.put, "seed %" PRIu64, seed);
	cr_assert_gt(input.got, 1000000);
	cr_assert_gt(output.got, 1000000);
	end(&b);
}

Test(relay, moves_every_byte_once_whatever_the_sizes, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		run_model(list[i], false);
}

Test(relay, moves_every_byte_once_over_ends_that_block, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		run_model(list[i], true);
}

/* `cat` on a slave that is as begin_pty() left it, but blocking. */
static pid_t start_cat(struct bench *b)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		sys_set_nonblock(b->far, false);
		dup2(b->far, 0);
		dup2(b->far, 1);
		sys_close_from(3, NULL, 0);
		execlp("cat", "cat", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static unsigned char line_byte(uint64_t position)
{
	return position % 61 == 60 ? '\n' : (unsigned char)('0' + position % 73);
}

/*
 * Several MiB of lines, through a canonical slave and a program that is slower than the relay
 * because its own output is taken in random sips: all of it comes back, and then the program ends.
 */
static void through_cat(uint64_t seed, uint64_t total, bool partial)
{
	struct bench b;
	uint64_t state = seed, put = 0, got = 0, deadline = sys_now_ms() + DEADLINE_MS;
	unsigned char buf[8192];
	int status;
	pid_t pid;

	begin_pty(&b);
	total += 61 - total % 61 - (partial ? 30 : 0);
	pid = start_cat(&b);
	drop(&b.far);
	lxe_relay_open_gate(b.relay);
	while (!lxe_relay_drained(b.relay) && sys_now_ms() < deadline) {
		size_t n = 1 + rnd_below(&state, sizeof(buf));
		ssize_t r;

		if (put + n > total)
			n = (size_t)(total - put);
		for (size_t i = 0; i < n; i++)
			buf[i] = line_byte(put + i);
		r = n ? sys_write(b.in_w, buf, n) : 0;
		put += r > 0 ? (uint64_t)r : 0;
		if (put == total && b.in_w >= 0)
			drop(&b.in_w);
		r = turn(&b, 1);
		cr_assert(r == 0 || r == -ETIMEDOUT, "seed %" PRIu64, seed);
		r = sys_read(b.out_r, buf, 1 + rnd_below(&state, sizeof(buf)));
		for (ssize_t i = 0; i < r; i++)
			cr_assert_eq(buf[i], line_byte(got + (uint64_t)i),
				"seed %" PRIu64 ": wrong byte at %" PRIu64, seed,
				got + (uint64_t)i);
		got += r > 0 ? (uint64_t)r : 0;
	}
	cr_assert(lxe_relay_drained(b.relay), "seed %" PRIu64 ": %" PRIu64 " of %" PRIu64, seed,
		got, total);
	for (ssize_t r; (r = sys_read(b.out_r, buf, sizeof(buf))) > 0;)
		got += (uint64_t)r;
	cr_assert_eq(got, total, "seed %" PRIu64, seed);
	cr_assert_eq(sys_wait(pid, &status), 0);
	cr_assert_eq(status, 0);
	end(&b);
}

Test(relay, megabytes_of_lines_go_through_a_canonical_slave, .timeout = 60)
{
	through_cat(1, 3 * 1024 * 1024, false);
}

Test(relay, lines_and_a_half_go_through_a_canonical_slave, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		through_cat(list[i], list[i] % 300000, true);
}

Test(relay, begins_behind_what_the_ring_holds_already)
{
	struct bench b;
	struct lxe_relay *relay = NULL;

	begin_socket(&b, false, false);
	cr_assert_eq(sys_write(b.far, "before", 6), 6);
	cr_assert_eq(settle(&b), 0);
	expect_read(b.out_r, "before");
	cr_assert_eq(lxe_relay_new(&relay, b.in, b.out, b.master, b.ring), 0);
	cr_assert(lxe_relay_flushed(relay));
	cr_assert_eq(sys_write(b.far, "after", 5), 5);
	cr_assert_eq(lxe_relay_step(relay, LXE_RELAY_MASTER, EPOLLIN), 0);
	expect_read(b.out_r, "after");
	lxe_relay_free(relay);
	end(&b);
}
