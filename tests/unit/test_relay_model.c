/*
 * The relay against models: whatever the sizes and the moments, every byte arrives once.
 */
#include "terminal/relay.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "random.h"
#include "relay_bench.h"
#include "sys/fd.h"
#include "sys/proc.h"

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

Test(relay_model, moves_every_byte_once_whatever_the_sizes, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		run_model(list[i], false);
}

Test(relay_model, moves_every_byte_once_over_ends_that_block, .timeout = 60)
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

Test(relay_model, megabytes_of_lines_go_through_a_canonical_slave, .timeout = 60)
{
	through_cat(1, 3 * 1024 * 1024, false);
}

Test(relay_model, lines_and_a_half_go_through_a_canonical_slave, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		through_cat(list[i], list[i] % 300000, true);
}
