#include <criterion/criterion.h>

#include <errno.h>

#include "sys/passwd.h"

Test(passwd, a_user_by_name_and_by_number)
{
	struct sys_user user;

	cr_assert_eq(sys_user_find(&user, "root", 1), 0);
	cr_expect_eq(user.uid, 0);
	cr_assert_eq(sys_user_find(&user, NULL, 0), 0);
	cr_expect_str_eq(user.name, "root");
}

/* These are asked of getent(1). */
Test(passwd, nobody_of_that_name_or_number)
{
	struct sys_user user;

	cr_expect_eq(sys_user_find(&user, "there-is-nobody", 0), -ENOENT);
	cr_expect_eq(sys_user_find(&user, "--help", 0), -ENOENT);
	cr_expect_eq(sys_user_find(&user, NULL, 4123456789U), -ENOENT);
}
