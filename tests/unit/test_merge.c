#include "network/merge.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define FILTER(body) "*filter\n" body "COMMIT\n"
#define NAT(body) "*nat\n" body "COMMIT\n"

/* In place. */
static int merge(char **all, const char *text)
{
	char *merged = NULL;
	int r = lxe_rules_merge(&merged, *all, text);

	if (r == 0) {
		free(*all);
		*all = merged;
	}
	return r;
}

Test(merge, a_table_is_there_once)
{
	LXE_AUTOFREE char *all = NULL;

	cr_assert_eq(merge(&all, FILTER("-D 1\n") NAT("-D 2\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n") NAT("-D 2\n"));
	cr_assert_eq(merge(&all, FILTER("-D 3\n-X 3\n")), 0);
	cr_assert_eq(merge(&all, FILTER("") NAT("-D 4\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n-D 3\n-X 3\n") NAT("-D 2\n-D 4\n"));
}

Test(merge, what_would_be_lost_is_not_whole)
{
	static const char *const bad[] = {
		"",
		"*filter\n-D 2\n",
		"*filter\nCOMMIT",
		"*filter\nCOMMIT\n*nat\n",
		FILTER("") "*raw\n-A 1\nCOMMIT\n",
		FILTER("-D 1\n") FILTER("-D 2\n"),
		"*nat\n-D 1\n" FILTER(""),
		FILTER("") "-D 1\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *merged = NULL;

		cr_expect_not(lxe_rules_are_whole(bad[i]), "%s", bad[i]);
		cr_expect_eq(lxe_rules_merge(&merged, NULL, bad[i]), -EBADMSG);
		cr_expect_null(merged);
	}
	cr_expect(lxe_rules_are_whole(FILTER("-D 1\n")));
}

Test(merge, where_chains_are_made)
{
	const unsigned int filter = 1U << LXE_TABLE_FILTER, nat = 1U << LXE_TABLE_NAT;

	cr_expect_eq(lxe_rules_chains(FILTER("-D 1\n") NAT("-D 2\n")), 0);
	cr_expect_eq(lxe_rules_chains(FILTER(":1 - [0:0]\n-A 1\n") NAT("-D 2\n")), filter);
	cr_expect_eq(lxe_rules_chains(FILTER("") NAT("-D 2\n:1 - [0:0]\n")), nat);
	cr_expect_eq(lxe_rules_chains(FILTER(":1 - [0:0]\n") NAT(":2 - [0:0]\n")), filter | nat);
}
