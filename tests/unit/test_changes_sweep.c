#include "changes/changes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/tree.h"

static char top[] = "/tmp/lxe-sweep-XXXXXX";
static char stage[128];

static void begin(void)
{
	char name[LXE_STAGE_NAME_MAX], inner[160];

	cr_assert_not_null(mkdtemp(top));
	lxe_changes_stage_name(name, "0123456789ab", 7);
	cr_assert_str_eq(name, ".lxe-commit-0123456789ab-7");
	snprintf(stage, sizeof(stage), "%s/%s", top, name);
	cr_assert_eq(mkdir(stage, 0700), 0);
	snprintf(inner, sizeof(inner), "%s/inner", stage);
	cr_assert_eq(mkdir(inner, 0), 0);
}

static void end(void)
{
	sys_tree_remove(AT_FDCWD, top);
}

static int is_there(void)
{
	return access(stage, F_OK) == 0;
}

TestSuite(sweep, .init = begin, .fini = end);

Test(sweep, removes_what_a_commit_has_left)
{
	cr_assert_eq(lxe_changes_sweep(stage), 0);
	cr_assert_not(is_there());
	cr_assert_eq(lxe_changes_sweep(stage), 0);
	rmdir(top);
	cr_assert_eq(lxe_changes_sweep(stage), 0);
}

Test(sweep, waits_for_nobody_and_takes_nothing_from_who_lives)
{
	int fd = open(stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_assert_eq(lxe_changes_sweep(stage), -EBUSY);
	cr_assert(is_there());
	close(fd);
	cr_assert_eq(lxe_changes_sweep(stage), 0);
	cr_assert_not(is_there());
}

Test(sweep, leaves_what_we_cannot_have_made)
{
	char other[160];

	cr_assert_eq(chmod(stage, 0755), 0);
	cr_assert_eq(lxe_changes_sweep(stage), 0);
	cr_assert(is_there());
	cr_assert_eq(chmod(stage, 0700), 0);
	if (geteuid() == 0) {
		cr_assert_eq(chown(stage, 1, 1), 0);
		cr_assert_eq(lxe_changes_sweep(stage), 0);
		cr_assert(is_there());
		cr_assert_eq(chown(stage, 0, 0), 0);
	}
	snprintf(other, sizeof(other), "%s/other", top);
	cr_assert_eq(rename(stage, other), 0);
	cr_assert_eq(symlink("other", stage), 0);
	cr_assert_eq(lxe_changes_sweep(stage), 0);
	cr_assert_eq(access(other, F_OK), 0);
	cr_assert_eq(lxe_changes_sweep(other), -EINVAL);
}
