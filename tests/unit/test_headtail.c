#include "terminal/headtail.h"

#include <criterion/criterion.h>

#include "headtail_model.h"

static struct stream text_of(const char *text)
{
	struct stream s = { 0 };

	stream_add(&s, text, strlen(text));
	return s;
}

static void expect(const char *in, size_t limit, const char *wanted)
{
	struct stream s = text_of(in), out = { 0 };
	uint64_t state = 1;

	cr_assert(walk(&s, limit, &state, &out));
	cr_assert(out.n == strlen(wanted) && memcmp(out.p, wanted, out.n) == 0, "%.*s", (int)out.n,
		(char *)out.p);
	free(s.p);
	free(out.p);
}

Test(headtail, small_streams)
{
	expect("a", 1, "a");
	expect("abcdefgh", 8, "abcdefgh");
	expect("abcdefghi", 8, "abcd\n[lxc-exec: 1 bytes dropped]\nfghi");
	expect("abc\nefghi", 8, "abc\n[lxc-exec: 1 bytes dropped]\nfghi");
	expect("ab", 1, "a\n[lxc-exec: 1 bytes dropped]\n");
	expect("abc\xc3\xa4xy\xc3\xa4z", 8, "abc\n[lxc-exec: 3 bytes dropped]\ny\xc3\xa4z");
}

Test(headtail, a_terminal_gets_its_line_ends)
{
	_Alignas(64) static unsigned char memory[1 << 18];
	struct lxe_headtail h;
	struct stream out = { 0 };

	lxe_headtail_view(&h, memory, 4, true);
	put(&h, (const unsigned char *)"abcdef", 6);
	lxe_headtail_end(&h);
	lxe_headtail_end(&h);
	cr_assert_eq(put(&h, (const unsigned char *)"more", 4), 0, "nothing comes after the end");
	while (get(&h, &out, 3))
		;
	cr_assert(
		out.n == 35 && memcmp(out.p, "ab\r\n[lxc-exec: 2 bytes dropped]\r\nef", out.n) == 0,
		"%zu", out.n);
	free(out.p);
}

/* Who is asked, asks back: the head is passed on as it comes, but for the last characters of it. */
Test(headtail, the_head_is_delivered_at_once)
{
	_Alignas(64) static unsigned char memory[1 << 18];
	struct lxe_headtail h;
	struct stream out = { 0 };
	uint64_t written, dropped;

	lxe_headtail_view(&h, memory, 1000, false);
	put(&h, (const unsigned char *)"Name? ", 6);
	get(&h, &out, SIZE_MAX);
	cr_assert_eq(out.n, 6);
	put(&h, (const unsigned char *)"\xc3", 1);
	get(&h, &out, SIZE_MAX);
	cr_assert_eq(out.n, 7, "far from the end nothing is held back");
	lxe_headtail_count(&h, &written, &dropped);
	cr_assert(written == 7 && dropped == 0);
	free(out.p);
}

/* A reader that takes nothing stops the stream, and nothing is lost of the head. */
Test(headtail, nobody_takes_the_head)
{
	size_t limit = 1 << 20, size = lxe_headtail_size(limit), total = 0, n;
	unsigned char *memory = aligned_alloc(64, size), bytes[4096];
	struct stream out = { 0 };
	struct lxe_headtail h;

	memset(memory, 0, 64);
	memset(bytes, 'x', sizeof(bytes));
	lxe_headtail_view(&h, memory, limit, false);
	while ((n = put(&h, bytes, sizeof(bytes))))
		total += n;
	cr_assert(total >= limit / 2 && total <= size, "%zu", total);
	while (get(&h, &out, 1000))
		;
	cr_assert(out.n >= limit / 2 - LXE_CUT_ZONE && out.n <= limit / 2);
	/* From here on it goes on for ever. */
	for (int i = 0; i < 10000; i++)
		cr_assert_eq(put(&h, bytes, sizeof(bytes)), sizeof(bytes));
	free(out.p);
	free(memory);
}

static void fill(struct stream *s, size_t n, uint64_t *state)
{
	static const char letters[] =
		"\x1b[31m\x1b]0;t\x07 \xc3\xa4\xe2\x82\xac z\xf0\x9f\x98\x80\n\n";
	bool noise = rnd_below(state, 2);

	for (size_t i = 0; i < n; i++) {
		unsigned char byte = (noise ? (unsigned char)rnd(state)
					    : (unsigned char)letters[i % (sizeof(letters) - 1)]);

		stream_add(s, &byte, 1);
	}
}

Test(headtail, agrees_with_the_model)
{
	uint64_t state = 42;

	for (int i = 0; i < 3000; i++) {
		size_t limit = 1 + rnd_below(&state, rnd_below(&state, 2) ? 20 : 3000);
		struct stream in = { 0 }, out = { 0 };

		fill(&in, rnd_below(&state, 5000), &state);
		cr_assert(walk(&in, limit, &state, &out), "%d: limit %zu of %zu", i, limit, in.n);
		cr_assert(agrees(&in, limit, &out), "%d: limit %zu of %zu", i, limit, in.n);
		free(in.p);
		free(out.p);
	}
}

/* Around the ring, whose chunk is larger than small limits. */
Test(headtail, long_streams)
{
	uint64_t state = 43;

	for (int i = 0; i < 12; i++) {
		size_t limit = 1 + rnd_below(&state, 400000);
		struct stream in = { 0 }, out = { 0 };

		fill(&in, 300000 + rnd_below(&state, 700000), &state);
		cr_assert(walk(&in, limit, &state, &out), "%d: limit %zu of %zu", i, limit, in.n);
		cr_assert(agrees(&in, limit, &out), "%d: limit %zu of %zu", i, limit, in.n);
		free(in.p);
		free(out.p);
	}
}
