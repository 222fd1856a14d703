#include "base/str.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* UTF-8 by the definition of a code point, not by a table of lead bytes: 0 for no sequence. */
static size_t model_sequence(const unsigned char *p, size_t left, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80	     ? 1
		   : p[0] >> 5 == 6  ? 2
		   : p[0] >> 4 == 14 ? 3
		   : p[0] >> 3 == 30 ? 4
				     : 0;
	uint32_t c;

	if (n == 0 || n > left)
		return 0;
	c = n == 1 ? p[0] : p[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

/* Controls, line separators, and all that has the property Bidi_Control (UAX 9). */
static bool model_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\' || c == 0x61c || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static bool model_valid(const unsigned char *p, size_t len)
{
	uint32_t code;

	for (size_t n; len; p += n, len -= n) {
		n = model_sequence(p, len, &code);
		if (n == 0)
			return false;
	}
	return true;
}

static void model_escape(char *buf, size_t size, const unsigned char *p, size_t len)
{
	size_t used = 0;
	uint32_t code = 0;

	while (len) {
		size_t n = model_sequence(p, len, &code);
		char piece[8];
		size_t piece_len;

		if (n && !model_unsafe(code)) {
			memcpy(piece, p, n);
			piece_len = n;
		} else {
			piece_len = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", *p);
			n = 1;
		}
		if (used + piece_len >= size)
			break;
		memcpy(buf + used, piece, piece_len);
		used += piece_len;
		p += n;
		len -= n;
	}
	buf[used] = '\0';
}

static void expect_same(const unsigned char *text, size_t len, size_t size, uint64_t seed)
{
	char got[256], want[256];

	memset(got, 'Z', sizeof(got));
	lxe_escape(got, size, (const char *)text, len);
	model_escape(want, size, text, len);
	cr_assert_str_eq(got, want, "seed %" PRIu64, seed);
	for (size_t i = size; i < sizeof(got); i++)
		cr_assert_eq(got[i], 'Z', "written beyond %zu", size);
	cr_assert_eq(lxe_utf8_valid((const char *)text, len), model_valid(text, len),
		"seed %" PRIu64, seed);
}

Test(str, every_byte_and_every_pair_of_bytes_escapes_as_the_model_says)
{
	for (unsigned int a = 0; a < 256; a++) {
		unsigned char one[] = { (unsigned char)a };

		expect_same(one, 1, 64, 0);
		for (unsigned int b = 0; b < 256; b++) {
			unsigned char two[] = { (unsigned char)a, (unsigned char)b };

			expect_same(two, 2, 64, 0);
		}
	}
}

static size_t encode(uint32_t c, unsigned char *p)
{
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		p[i] = (unsigned char)(0x80 | (c & 0x3f));
	p[0] = (unsigned char)(lead[n] | c);
	return n;
}

Test(str, every_code_point_is_plain_or_escaped_as_the_model_says)
{
	for (uint32_t c = 0; c < 0x120000; c += c < 0x3000 ? 1 : 17) {
		unsigned char text[4];

		expect_same(text, encode(c, text), 64, c);
	}
}

static void expect_escaped(const char *text, const char *escaped)
{
	char got[128];

	lxe_escape(got, sizeof(got), text, strlen(text));
	cr_assert_str_eq(got, escaped);
}

Test(str, what_drives_a_terminal_is_escaped)
{
	expect_escaped("plain text, grüße 日本 🙂", "plain text, grüße 日本 🙂");
	expect_escaped("\033]0;x\a", "\\x1b]0;x\\x07");
	expect_escaped("a\nb\r\tc", "a\\x0ab\\x0d\\x09c");
	expect_escaped("a\\b", "a\\x5cb");
	expect_escaped("\x7f", "\\x7f");
	/* C1: CSI as one character. */
	expect_escaped("\xc2\x9b"
		       "2J",
		"\\xc2\\x9b2J");
	/* Overlong '/', a surrogate, beyond U+10FFFF. */
	expect_escaped("\xc0\xaf", "\\xc0\\xaf");
	expect_escaped("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
	expect_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");
	expect_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	/* An override (U+202E) and an isolate (U+2066) reorder what follows. */
	expect_escaped("\xe2\x80\xae"
		       "x",
		"\\xe2\\x80\\xaex");
	expect_escaped("\xe2\x81\xa6"
		       "x",
		"\\xe2\\x81\\xa6x");
	/* A cut sequence. */
	expect_escaped("\xe2\x82", "\\xe2\\x82");
}

static void expect_cut_between_characters(
	void (*copy)(char *buf, size_t size, const char *text, size_t len))
{
	char got[8] = "Z";

	copy(got, 0, "abc", 3);
	cr_assert_str_eq(got, "Z");
	copy(got, 3, "a\xc3\xbc", 3);
	cr_assert_str_eq(got, "a");
	copy(got, 4, "a\xc3\xbc", 3);
	cr_assert_str_eq(got, "a\xc3\xbc");
}

Test(str, an_excerpt_is_as_it_was_and_cut_between_characters)
{
	char got[8];

	lxe_excerpt(got, sizeof(got), "a\n\\\xff", 4);
	cr_assert_str_eq(got, "a\n\\\xff");
	lxe_excerpt(got, sizeof(got), "a\0b", 3);
	cr_assert_str_eq(got, "a?b");
	expect_cut_between_characters(lxe_excerpt);
}

Test(str, escaped_text_is_cut_between_characters)
{
	char got[8];

	lxe_escape(got, 1, "abc", 3);
	cr_assert_str_eq(got, "");
	lxe_escape(got, 5, "a\n", 2);
	cr_assert_str_eq(got, "a");
	lxe_escape(got, 6, "a\n", 2);
	cr_assert_str_eq(got, "a\\x0a");
	expect_cut_between_characters(lxe_escape);
}

/* Bytes that are likely to be near the edges of the encoding. */
static unsigned char odd_byte(uint64_t *state)
{
	static const unsigned char edges[] = { 0, 0x1f, 0x20, '\\', 0x7e, 0x7f, 0x80, 0x8f, 0x90,
		0x9f, 0xa0, 0xaa, 0xae, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe2, 0xec, 0xed, 0xef,
		0xf0, 0xf1, 0xf4, 0xf5, 0xff };

	if (rnd_below(state, 4) == 0)
		return (unsigned char)rnd(state);
	return edges[rnd_below(state, sizeof(edges))];
}

Test(str, random_bytes_escape_as_the_model_says)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int i = 0; i < 30000; i++) {
			unsigned char text[24];
			size_t len = rnd_below(&state, sizeof(text) + 1);

			for (size_t k = 0; k < len; k++)
				text[k] = odd_byte(&state);
			expect_same(text, len, 1 + rnd_below(&state, 120), list[s]);
		}
	}
}

Test(str, formatting_that_does_not_fit_is_an_error)
{
	char buf[4];

	cr_assert_eq(lxe_format(buf, sizeof(buf), "%s", "abc"), 0);
	cr_assert_str_eq(buf, "abc");
	cr_assert_eq(lxe_format(buf, sizeof(buf), "%s", "abcd"), -ENAMETOOLONG);
	cr_assert_eq(lxe_format(buf, 0, "%s", ""), -ENAMETOOLONG);
}

Test(str, lists_own_their_strings_and_end_with_null)
{
	struct lxe_strv list = { 0 };
	char text[] = "one";

	cr_assert_eq(lxe_strv_add(&list, text), 0);
	cr_assert_eq(lxe_strv_addn(&list, "two-three", 3), 0);
	cr_assert_eq(lxe_strv_addn(&list, "", 0), 0);
	text[0] = 'X';
	cr_assert_eq(list.n, 3);
	cr_assert_str_eq(list.v[0], "one");
	cr_assert_str_eq(list.v[1], "two");
	cr_assert_str_eq(list.v[2], "");
	cr_assert_null(list.v[3]);
	lxe_strv_release(&list);
	cr_assert_eq(list.n, 0);
	cr_assert_null(list.v);
}

Test(str, a_string_is_replaced_also_by_itself)
{
	char *s = NULL;

	cr_assert_eq(lxe_str_set(&s, "one"), 0);
	cr_assert_eq(lxe_str_set(&s, s), 0);
	cr_assert_str_eq(s, "one");
	cr_assert_eq(lxe_str_set(&s, NULL), 0);
	cr_assert_null(s);
}

Test(str, prefixes)
{
	cr_assert(lxe_starts_with("abc", ""));
	cr_assert(lxe_starts_with("abc", "abc"));
	cr_assert_not(lxe_starts_with("ab", "abc"));
	cr_assert_not(lxe_starts_with("", "a"));
	cr_assert_not(lxe_starts_with("xbc", "abc"));
}
