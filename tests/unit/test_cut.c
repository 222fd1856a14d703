#include "terminal/cut.h"

#include <criterion/criterion.h>
#include <string.h>

#include "random.h"

static size_t before(const char *text)
{
	return lxe_cut_before((const unsigned char *)text, strlen(text));
}

static size_t after(const char *text, size_t at)
{
	return lxe_cut_after((const unsigned char *)text, strlen(text), at);
}

Test(cut, ends_between_characters)
{
	cr_assert_eq(before(""), 0);
	cr_assert_eq(before("abc"), 3);
	cr_assert_eq(before("ab\xc3"), 2);
	cr_assert_eq(before("ab\xc3\xa4"), 4);
	cr_assert_eq(before("\xe2\x82"), 0);
	cr_assert_eq(before("x\xf0\x9f\x98"), 1);
	cr_assert_eq(before("x\xf0\x9f\x98\x80"), 5);
	cr_assert_eq(before("\xf0\x9f\xc3"), 2, "the character that was begun last");
	cr_assert_eq(before("a\xff\x80\x80"), 4, "what is no UTF-8 is cut anywhere");
}

Test(cut, ends_between_sequences)
{
	cr_assert_eq(before("ab\x1b"), 2);
	cr_assert_eq(before("ab\x1b[1;3"), 2);
	cr_assert_eq(before("ab\x1b[1;31m"), 9);
	cr_assert_eq(before("ab\x1b("), 2);
	cr_assert_eq(before("ab\x1b(B"), 5);
	cr_assert_eq(before("a\x1b]0;title"), 1);
	cr_assert_eq(before("a\x1b]0;title\x1b"), 1, "half of its end");
	cr_assert_eq(before("a\x1b]0;title\x1b\\"), 12);
	cr_assert_eq(before("a\x1b]0;title\x07"), 11);
	cr_assert_eq(before("a\x1b[1\x18"), 5, "CAN ends it");
	cr_assert_eq(before("a\x1b[1\x1b[2"), 4);
}

Test(cut, begins_between_characters_and_sequences)
{
	cr_assert_eq(after("abcd", 2), 2);
	cr_assert_eq(after("a\xc3\xa4z", 2), 3);
	cr_assert_eq(after("a\x1b[31mred", 2), 6);
	cr_assert_eq(after("a\x1b[31mred", 6), 6);
	cr_assert_eq(after("a\x1b]0;no end", 4), 4, "there is no better place");
	cr_assert_eq(after("a\xc3zz", 2), 2, "a character that is not completed");
	cr_assert_eq(after("abc", 3), 3);
}

Test(cut, a_line_s_end_stays_whole)
{
	cr_assert_eq(before("ab\r"), 2);
	cr_assert_eq(before("ab\r\n"), 4);
	cr_assert_eq(before("\r"), 0);
	cr_assert_eq(before("ab\n"), 3);
	cr_assert_eq(after("ab\r\ncd", 2), 2);
	cr_assert_eq(after("ab\r\ncd", 3), 4);
	cr_assert_eq(after("ab\n\rcd", 3), 3);
	cr_assert_eq(after("ab\r\n", 3), 4);
}

/* Whatever it is: the places are in the bytes,. */
Test(cut, any_bytes)
{
	static const char letters[] = "\x1b[]P\\0;m\x07 \xc3\xa4\xe2\x82\xacz\xf0\x9f\x98\x80\x18";
	uint64_t state = 7;
	unsigned char bytes[2 * LXE_CUT_ZONE];

	for (int i = 0; i < 20000; i++) {
		size_t n = rnd_below(&state, sizeof(bytes) + 1), at, cut;

		for (size_t j = 0; j < n; j++)
			bytes[j] = (unsigned char)letters[rnd_below(&state, sizeof(letters) - 1)];
		cut = lxe_cut_before(bytes, n);
		cr_assert_leq(cut, n);
		at = rnd_below(&state, n + 1);
		cut = lxe_cut_after(bytes, n, at);
		cr_assert(cut >= at && cut <= n);
	}
}
