#include "store/rootless.h"

#include <criterion/criterion.h>
#include <string.h>

static const char text[] = "# a comment\n"
			   "eve:100000:65536\n"
			   "bob:200000:65535\n"
			   "bob:0:65536\n"
			   "bob:300000:65536\n"
			   "1234:400000:131072\n"
			   "bobby:500000:65536\n";

Test(rootless, the_first_line_that_is_wide_enough)
{
	struct lxe_subid line;

	cr_assert(lxe_rootless_line(text, "bob", 1, &line));
	cr_assert_eq(line.start, 300000u);
	cr_assert_eq(line.count, 65536u);
}

Test(rootless, a_line_by_number)
{
	struct lxe_subid line;

	cr_assert(lxe_rootless_line(text, NULL, 1234, &line));
	cr_assert_eq(line.start, 400000u);
	cr_assert(lxe_rootless_line(text, "nobody-has-this-name", 1234, &line));
	cr_assert_eq(line.start, 400000u);
}

Test(rootless, nobody_elses)
{
	struct lxe_subid line = { .start = 7 };

	cr_assert_not(lxe_rootless_line(text, "bo", 1, &line));
	cr_assert_not(lxe_rootless_line(text, NULL, 123, &line));
	cr_assert_not(lxe_rootless_line("", "bob", 1, &line));
	cr_assert_eq(line.start, 7u, "untouched");
}
