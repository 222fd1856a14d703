/*
 * The redraw against random streams: original and copy show the same, and go on to show the same;
 * in what pieces the bytes come makes no difference; a full ring is redrawn quickly.
 */
#include "terminal/screen.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <time.h>

#include "random.h"
#include "screen_compare.h"
#include "screen_stream.h"

#define ROUNDS 2000

static struct lxe_screen *fresh(uint16_t rows, uint16_t cols)
{
	struct lxe_screen *s = NULL;

	cr_assert_eq(lxe_screen_new(&s, rows, cols), 0);
	return s;
}

static void redraw_into(struct lxe_screen *from, struct lxe_screen *to)
{
	char *bytes = NULL;
	size_t len = 0;

	cr_assert_eq(lxe_screen_redraw(from, &bytes, &len), 0);
	lxe_screen_feed(to, bytes, len);
	free(bytes);
}

static void one_round(uint64_t seed)
{
	uint64_t state = seed;
	uint16_t rows = (uint16_t)(2 + rnd_below(&state, 12));
	uint16_t cols = (uint16_t)(4 + rnd_below(&state, 30));
	struct lxe_screen *a = fresh(rows, cols), *b = fresh(rows, cols);
	struct lxe_outbuf stream = { 0 };
	const char *what;

	stream_random(&state, rows, rnd_below(&state, 40), &stream);
	lxe_screen_feed(b, stream.p, stream.len);
	stream.len = 0;
	stream_random(&state, rows, rnd_below(&state, 60), &stream);
	lxe_screen_feed(a, stream.p, stream.len);
	for (int i = 0; i < 4; i++) {
		redraw_into(a, b);
		what = screens_differ(a, b);
		cr_assert(!what, "seed %" PRIu64 ", part %d: %s", seed, i, what);
		stream.len = 0;
		stream_random(&state, rows, rnd_below(&state, 12), &stream);
		lxe_screen_feed(a, stream.p, stream.len);
		lxe_screen_feed(b, stream.p, stream.len);
		what = screens_differ(a, b);
		cr_assert(!what, "seed %" PRIu64 ", after part %d: %s", seed, i, what);
	}
	lxe_outbuf_release(&stream);
	lxe_screen_free(a);
	lxe_screen_free(b);
}

Test(screen_random, redraw_is_the_same, .timeout = 120)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	if (getenv("LXE_TEST_SEED")) {
		one_round(list[0]);
		return;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ROUNDS; k++)
			one_round(rnd(&list[i]));
}

Test(screen_random, pieces_of_any_size, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++) {
		struct lxe_screen *a = fresh(10, 30), *b = fresh(10, 30);
		struct lxe_outbuf stream = { 0 };
		const char *what;
		uint64_t seed = list[i];

		stream_random(&list[i], 10, 5000, &stream);
		lxe_screen_feed(a, stream.p, stream.len);
		for (size_t done = 0, step; done < stream.len; done += step) {
			step = 1 + rnd_below(&list[i], 9);
			step = step < stream.len - done ? step : stream.len - done;
			lxe_screen_feed(b, stream.p + done, step);
		}
		what = screens_differ(a, b);
		cr_assert(!what, "seed %" PRIu64 ": %s", seed, what);
		lxe_outbuf_release(&stream);
		lxe_screen_free(a);
		lxe_screen_free(b);
	}
}

/* Text is text: whatever comes in, no control character but the line feed comes out. */
Test(screen_random, text_has_no_controls, .timeout = 60)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n * 50; i++) {
		struct lxe_screen *s = fresh(10, 30);
		struct lxe_outbuf stream = { 0 };
		char *text = NULL;
		size_t len = 0;

		stream_random(&list[i % n], 10, 200, &stream);
		lxe_screen_feed(s, stream.p, stream.len);
		cr_assert_eq(lxe_screen_text(s, &text, &len), 0);
		for (size_t k = 0; k < len; k++)
			cr_assert(text[k] == '\n' || (unsigned char)text[k] >= ' ');
		lxe_outbuf_release(&stream);
		free(text);
		lxe_screen_free(s);
	}
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double ring_redrawn(const char *bytes, size_t n, const char *what)
{
	double best = 1e9;

	for (int i = 0; i < 5; i++) {
		double start = now_ms();
		struct lxe_screen *s = fresh(50, 200);
		char *out = NULL;
		size_t len = 0;

		lxe_screen_feed(s, bytes, n);
		cr_assert_eq(lxe_screen_redraw(s, &out, &len), 0);
		free(out);
		lxe_screen_free(s);
		if (now_ms() - start < best)
			best = now_ms() - start;
	}
	cr_log_info("%zu KiB of %s: fed and redrawn in %.1f ms", n / 1024, what, best);
	return best;
}

/* The limit is generous because machines that test are busy and sanitizers slow. */
Test(screen_random, full_ring_is_quick, .timeout = 120)
{
	size_t n = 256 * 1024;
	char *bytes = malloc(n);
	struct lxe_outbuf stream = { 0 };
	uint64_t state = 7;

	cr_assert_not_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = i % 81 == 80 ? '\n' : (char)('a' + i % 26);
	cr_assert_lt(ring_redrawn(bytes, n, "long lines"), 2000);
	for (size_t i = 0; i < n; i++)
		bytes[i] = i % 3 == 0 ? 'y' : i % 3 == 1 ? '\r' : '\n';
	cr_assert_lt(ring_redrawn(bytes, n, "short lines"), 2000);
	while (stream.len < n)
		lxe_outbuf_text(
			&stream, "\033[3;7H\033[1;32mname\033[0m  \033[48;5;17m12.5%\033[K\r\n");
	cr_assert_lt(ring_redrawn(stream.p, n, "sequences"), 2000);
	stream.len = 0;
	while (stream.len < n)
		stream_random(&state, 50, 100, &stream);
	cr_assert_lt(ring_redrawn(stream.p, n, "everything"), 2000);
	lxe_outbuf_release(&stream);
	free(bytes);
}
