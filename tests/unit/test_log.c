/*
 * Terminal output as lines of text while it comes.
 */
#include "terminal/log.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#include "base/str.h"
#include "random.h"
#include "screen_stream.h"

static void take(struct lxe_log *log, struct lxe_outbuf *all, const char *bytes, size_t n, bool end)
{
	const char *text;
	size_t len;

	cr_assert_eq(lxe_log_feed(log, bytes, n, &text, &len), 0);
	lxe_outbuf_put(all, text, len);
	if (!end)
		return;
	cr_assert_eq(lxe_log_end(log, &text, &len), 0);
	lxe_outbuf_put(all, text, len);
}

static void check(const char *bytes, const char *expected)
{
	struct lxe_log *log = NULL;
	struct lxe_outbuf all = { 0 };

	cr_assert_eq(lxe_log_new(&log), 0);
	take(log, &all, bytes, strlen(bytes), true);
	cr_assert_eq(all.len, strlen(expected), "'%s': '%.*s'", bytes, (int)all.len, all.p);
	cr_assert_arr_eq(
		all.p ? all.p : "", expected, all.len, "'%s': '%.*s'", bytes, (int)all.len, all.p);
	lxe_outbuf_release(&all);
	lxe_log_free(log);
}

Test(log, strips)
{
	check("", "");
	check("plain\r\nlines\r\n", "plain\nlines\n");
	check("no end", "no end\n");
	check("\r\n\r\n", "\n\n");
	check("blanks  \t\r\n", "blanks\n");
	check("a\tb\n", "a\tb\n");
	check("\033[1;31mred\033[0m \033]0;title\007\033]8;;http://x\033\\link\033(B\n",
		"red link\n");
	check(" 10%\r 20%\r100%\n", "100%\n");
	check("loading...\r\033[Kdone\n", "done\n");
	check("abc\b\bX\n", "aXc\n");
	check("abcdef\033[3D\033[K!\n", "abc!\n");
	check("abc\033[10Gj\n", "abc      j\n");
	check("abc\033[2G\033[P!\n", "a!\n");
	check("abc\033[2G\033[@!\n", "a!bc\n");
	check("one\033[5;1Htwo\033[Athree\n", "one\ntwo\nthree\n");
	check("before\033[?1049hvim\r\nstuff\033[?1049lafter\n", "before\nafter\n");
	check("\u6f22e\u0301 \xff\xc2\x85\x7f\a\n", "\u6f22e\u0301 \ufffd\n");
	check("x\033P1;2q data \n more\033\\y\n", "xy\n");
}

Test(log, long_lines_are_passed_on)
{
	struct lxe_log *log = NULL;
	struct lxe_outbuf all = { 0 };
	size_t n = 3 * LXE_LOG_LINE_MAX + 5;

	cr_assert_eq(lxe_log_new(&log), 0);
	for (size_t i = 0; i < n; i++)
		take(log, &all, "z", 1, false);
	cr_assert_geq(all.len, n - LXE_LOG_LINE_MAX - 1);
	take(log, &all, "\033[99999@\033[99999C!\033[99999P\n", 26, true);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(all.p[i], 'z');
	cr_assert_eq(all.p[all.len - 1], '\n');
	lxe_outbuf_release(&all);
	lxe_log_free(log);
}

/* In pieces or at once, the text is the same, valid, and without controls. */
static void one_round(uint64_t seed)
{
	uint64_t state = seed;
	struct lxe_log *at_once = NULL, *pieces = NULL;
	struct lxe_outbuf stream = { 0 }, a = { 0 }, b = { 0 };

	cr_assert_eq(lxe_log_new(&at_once), 0);
	cr_assert_eq(lxe_log_new(&pieces), 0);
	stream_random(&state, 20, 100, &stream);
	take(at_once, &a, stream.p, stream.len, true);
	for (size_t done = 0, step; done < stream.len; done += step) {
		step = 1 + rnd_below(&state, 7);
		step = step < stream.len - done ? step : stream.len - done;
		take(pieces, &b, stream.p + done, step, done + step == stream.len);
	}
	cr_assert_eq(a.len, b.len, "seed %" PRIu64, seed);
	if (a.len)
		cr_assert_arr_eq(a.p, b.p, a.len, "seed %" PRIu64, seed);
	cr_assert(lxe_utf8_valid(a.p, a.len), "seed %" PRIu64, seed);
	for (size_t i = 0; i < a.len; i++)
		cr_assert(a.p[i] == '\n' || a.p[i] == '\t' ||
				  ((unsigned char)a.p[i] >= ' ' && a.p[i] != 0x7f),
			"seed %" PRIu64, seed);
	lxe_outbuf_release(&stream);
	lxe_outbuf_release(&a);
	lxe_outbuf_release(&b);
	lxe_log_free(at_once);
	lxe_log_free(pieces);
}

Test(log, pieces_of_any_size)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 300; k++)
			one_round(rnd(&list[i]));
}
