#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/deferred.h"
#include "store/sandbox.h"

static int scratch(char path[32])
{
	strcpy(path, "/tmp/lxe-deferred-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void remove_scratch(const char *path, int dir)
{
	unlinkat(dir, LXE_SANDBOX_DEFERRED, 0);
	close(dir);
	cr_expect_eq(rmdir(path), 0);
}

Test(deferred, says_what_was_put)
{
	char path[32], reason[LXE_DEFERRED_MAX] = "untouched", longest[LXE_DEFERRED_MAX];
	int dir = scratch(path);
	bool keep = true;

	cr_expect_eq(lxe_deferred_get(dir, &keep, reason), -ENOENT);
	cr_expect_str_eq(reason, "untouched");
	cr_expect_eq(lxe_deferred_put(dir, false, "remove cgroup 'x': busy\nand more"), 0);
	cr_expect_eq(lxe_deferred_get(dir, &keep, reason), 0);
	cr_expect_not(keep);
	cr_expect_str_eq(reason, "remove cgroup 'x': busy\nand more");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	cr_expect_eq(lxe_deferred_put(dir, true, longest), 0);
	cr_expect_eq(lxe_deferred_get(dir, &keep, reason), 0);
	cr_expect(keep);
	cr_expect_str_eq(reason, longest);
	lxe_deferred_drop(dir);
	cr_expect_eq(lxe_deferred_get(dir, &keep, reason), -ENOENT);
	remove_scratch(path, dir);
}

Test(deferred, refuses_what_is_no_such_note)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = { { "", 0 }, { "kee", 3 }, { "keep", 4 }, { "else\nx", 6 },
		{ "keep\n\0x", 7 } };
	char path[32], reason[LXE_DEFERRED_MAX], long_one[LXE_DEFERRED_MAX + 8] = "keep\n";
	int dir = scratch(path);
	bool keep;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(
			lxe_sandbox_put(dir, LXE_SANDBOX_DEFERRED, cases[i].bytes, cases[i].len),
			0);
		cr_expect_eq(lxe_deferred_get(dir, &keep, reason), -EBADMSG, "case %zu", i);
	}
	memset(long_one + 5, 'x', sizeof(long_one) - 5);
	cr_assert_eq(lxe_sandbox_put(dir, LXE_SANDBOX_DEFERRED, long_one, sizeof(long_one)), 0);
	cr_expect_eq(lxe_deferred_get(dir, &keep, reason), -EBADMSG);
	remove_scratch(path, dir);
}
