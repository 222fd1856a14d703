#include <criterion/criterion.h>

#include <string.h>

#include "store/subid.h"

#define LINES 8

static size_t parse(struct lxe_subid *lines, const char *text)
{
	size_t n = 0;

	memset(lines, 0xff, LINES * sizeof(*lines));
	while (n < LINES && lxe_subid_next(&text, &lines[n]))
		n++;
	return n;
}

static void expect_line(
	const struct lxe_subid *s, const char *owner, uint64_t start, uint64_t count)
{
	cr_expect_str_eq(s->owner, owner);
	cr_expect_eq(s->start, start);
	cr_expect_eq(s->count, count);
}

Test(subid, lines)
{
	struct lxe_subid s[LINES];

	cr_assert_eq(parse(s, "dev:100000:65536\nroot:1879048192:268435456\n1000:165536:1"), 3);
	expect_line(&s[0], "dev", 100000, 65536);
	expect_line(&s[1], "root", 1879048192, 268435456);
	expect_line(&s[2], "1000", 165536, 1);
	cr_expect_eq(parse(s, ""), 0);
	cr_expect_eq(parse(s, "\n\n"), 0);
}

Test(subid, lines_that_are_none)
{
	static const char *const texts[] = { "dev", "dev:1", "dev::5", "dev:1:", "dev:-1:5",
		"dev:x:5", "dev:1:5:7", "dev: 1:5", "dev:1:0", "dev:4294967295:1",
		"dev:4294967296:1", "dev:1:4294967295", "# dev:1:5 #" };
	struct lxe_subid s[LINES];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_expect_eq(parse(s, texts[i]), 0, "'%s'", texts[i]);
	cr_assert_eq(parse(s, "broken\ndev:1:5\nbroken:"), 1);
	expect_line(&s[0], "dev", 1, 5);
}

Test(subid, lines_that_are_too_long)
{
	char text[300] = "";
	struct lxe_subid s[LINES];

	memset(text, 'a', 100);
	memcpy(text + 100, ":1:5\ndev:7:8\n", 14);
	cr_assert_eq(parse(s, text), 1, "an owner that does not fit is no line");
	expect_line(&s[0], "dev", 7, 8);
	memset(text, 'a', 200);
	memcpy(text + 200, ":1:5\ndev:7:8\n", 14);
	cr_assert_eq(parse(s, text), 1, "nor is a line that does not fit");
}

Test(subid, root)
{
	struct lxe_subid s[LINES];

	cr_assert_eq(parse(s, "root:1:1\n0:1:1\nroots:1:1\n00:1:1\n:1:1\n"), 5);
	cr_expect(lxe_subid_is_root(&s[0]));
	cr_expect(lxe_subid_is_root(&s[1]));
	cr_expect_not(lxe_subid_is_root(&s[2]));
	cr_expect_not(lxe_subid_is_root(&s[3]));
	cr_expect_not(lxe_subid_is_root(&s[4]));
}
