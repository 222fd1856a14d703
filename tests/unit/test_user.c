#include "keeper/user.h"

#include <criterion/criterion.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
			     "# a comment\n"
			     "bad:x:notanumber:0::/:\n"
			     "far:x:70000:70000::/far:\n"
			     "dev:x:1000:1001:A Dev,,,:/home/dev:/bin/sh\n"
			     "odd:x:7:8::relative:\n"
			     "last:x:9:9::/last:";
static struct lxe_user user;
static struct lxe_err err;

static int find(const char *text)
{
	err = (struct lxe_err){ 0 };
	return lxe_user_parse(&user, text, passwd, 65536, &err);
}

static void expect(const char *text, uint32_t uid, uint32_t gid, const char *name, const char *home)
{
	cr_assert_eq(find(text), 0, "%s: %s", text, err.msg);
	cr_assert_eq(user.uid, uid, "%s", text);
	cr_assert_eq(user.gid, gid, "%s", text);
	cr_assert_str_eq(user.name, name);
	cr_assert_str_eq(user.home, home);
}

Test(user, by_name_and_by_number)
{
	expect("dev", 1000, 1001, "dev", "/home/dev");
	expect("1000", 1000, 1001, "dev", "/home/dev");
	expect("1000:5", 1000, 5, "dev", "/home/dev");
	expect("root", 0, 0, "root", "/root");
	expect("last", 9, 9, "last", "/last");
	expect("odd", 7, 8, "odd", "/");
	expect("4242", 4242, 4242, "", "/");
	expect("4242:7", 4242, 7, "", "/");
}

Test(user, who_is_not_there)
{
	static const char *const texts[] = { "nobody", "bad", "far", "70000", "0:70000", "dev:5",
		"", ":", "1:", "de", "devx" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_assert_lt(find(texts[i]), 0, "%s", texts[i]);
		cr_assert_neq(err.hint[0], 0);
	}
}
