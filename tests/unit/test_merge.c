#include "network/merge.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define FILTER(body) "*filter\n" body "COMMIT\n"
#define NAT(body) "*nat\n" body "COMMIT\n"

Test(merge, a_table_is_there_once)
{
	LXE_AUTOFREE char *all = NULL;

	cr_assert_eq(lxe_rules_merge(&all, FILTER("-D 1\n") NAT("-D 2\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n") NAT("-D 2\n"));
	cr_assert_eq(lxe_rules_merge(&all, FILTER("-D 3\n-X 3\n")), 0);
	cr_assert_eq(lxe_rules_merge(&all, FILTER("") NAT("-D 4\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n-D 3\n-X 3\n") NAT("-D 2\n-D 4\n"));
}

Test(merge, half_a_text_is_none)
{
	LXE_AUTOFREE char *all = strdup(FILTER("-D 1\n"));

	cr_assert_eq(lxe_rules_merge(&all, "*filter\n-D 2\n"), -EBADMSG);
	cr_assert_eq(lxe_rules_merge(&all, ""), -EBADMSG);
	cr_assert_str_eq(all, FILTER("-D 1\n"));
	cr_assert(lxe_rules_are_whole(all));
	cr_assert_not(lxe_rules_are_whole("*filter\nCOMMIT"));
}
