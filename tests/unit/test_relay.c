#include "terminal/relay.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "relay_bench.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/pty.h"

static void send_in(struct bench *b, const char *text)
{
	cr_assert_eq(sys_write_all(b->in_w, text, strlen(text)), 0);
}

/* Go on until `fd` gives exactly this; "" is its end of file. */
static void expect_read(struct bench *b, int fd, const char *text)
{
	char buf[256] = "";
	size_t len = strlen(text), got = 0;
	uint64_t deadline = sys_now_ms() + DEADLINE_MS;
	ssize_t n;

	do {
		int r = turn(b, 1);

		cr_assert(r == 0 || r == -ETIMEDOUT);
		n = sys_read(fd, buf + got, sizeof(buf) - 1 - got);
		cr_assert(n >= 0 || n == -EAGAIN);
		got += n > 0 ? (size_t)n : 0;
	} while ((n == -EAGAIN || (got < len && n > 0)) && sys_now_ms() < deadline);
	cr_assert_str_eq(buf, text);
	cr_assert(len > 0 || n == 0);
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

/* Output that came while the bell was on its way has been told to nobody. */
Test(relay, a_bell_rings_when_it_is_hung)
{
	struct bench b;
	uint64_t count = 0;
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	begin_socket(&b, false, false);
	lxe_relay_set_bell(b.relay, bell);
	cr_assert_eq(sys_read(bell, &count, sizeof(count)), (ssize_t)sizeof(count));
	cr_assert_eq(count, 1);
	lxe_relay_set_bell(b.relay, -EBADF);
	cr_assert_eq(sys_read(bell, &count, sizeof(count)), -EAGAIN);
	end(&b);
	close(bell);
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
	expect_read(&b, b.far, "hello");
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
	expect_read(&b, b.far, "hello");
	expect_read(&b, b.out_r, "$");
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
		expect_read(&b, b.far, text);
	expect_read(&b, b.far, "");
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
		expect_read(&b, b.far, text);
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
	expect_read(&b, b.far, "one;");
	expect_read(&b, b.far, "");
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
	expect_read(&b, b.out_r, "last");
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
	expect_read(&b, b.out_r, "last");
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
	expect_read(&b, b.out_r, "out");
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

Test(relay, begins_behind_what_the_ring_holds_already)
{
	struct bench b;
	struct lxe_relay *relay = NULL;

	begin_socket(&b, false, false);
	cr_assert_eq(sys_write(b.far, "before", 6), 6);
	cr_assert_eq(settle(&b), 0);
	expect_read(&b, b.out_r, "before");
	cr_assert_eq(lxe_relay_new(&relay, b.in, b.out, b.master, b.ring), 0);
	cr_assert(lxe_relay_flushed(relay));
	cr_assert_eq(sys_write(b.far, "after", 5), 5);
	cr_assert_eq(lxe_relay_step(relay, LXE_RELAY_MASTER, EPOLLIN), 0);
	expect_read(&b, b.out_r, "after");
	lxe_relay_free(relay);
	end(&b);
}

/* Whoever goes on writing does not hold up the end; what was written before it arrives. */
Test(relay, the_last_is_what_the_pty_held)
{
	static const char more[LXE_PTY_HOLDS];
	uint64_t deadline = sys_now_ms() + DEADLINE_MS;
	char buf[4096];
	size_t got = 0;
	struct bench b;

	begin_socket(&b, false, false);
	cr_assert_eq(sys_write_all(b.far, "last", 4), 0);
	lxe_relay_finish(b.relay);
	lxe_relay_take_last(b.relay);
	lxe_relay_take_last(b.relay);
	while (!lxe_relay_drained(b.relay) && sys_now_ms() < deadline) {
		ssize_t n = sys_write(b.far, more, sizeof(more));

		cr_assert(n > 0 || n == -EAGAIN);
		cr_assert_eq(settle(&b), 0);
		n = sys_read(b.out_r, buf, sizeof(buf));
		if (n > 0 && got == 0)
			cr_assert_eq(memcmp(buf, "last", 4), 0);
		got += n > 0 ? (size_t)n : 0;
	}
	cr_assert(lxe_relay_drained(b.relay));
	while (settle(&b) == 0 && sys_read(b.out_r, buf, 1) > 0)
		got++;
	cr_assert_eq(got, LXE_PTY_HOLDS);
	end(&b);
}
