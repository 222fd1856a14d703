#include "cgroup/hierarchy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static unsigned int parse(struct lxe_cgroup_host *host, const char *mounts, const char *self)
{
	char *text = strdup(mounts);
	unsigned int missing;

	memset(host, 0, sizeof(*host));
	missing = lxe_cgroup_parse(host, text, self);
	free(text);
	return missing;
}

static void expect_hierarchy(const struct lxe_hierarchy *h, const char *mount, const char *own,
	unsigned int controllers, bool v2, bool leaves)
{
	cr_expect_str_eq(h->mount, mount);
	cr_expect_str_eq(h->own, own);
	cr_expect_eq(h->controllers, controllers, "%s: controllers %u", mount, h->controllers);
	cr_expect_eq(h->v2, v2, "%s: v2", mount);
	cr_expect_eq(h->leaves, leaves, "%s: leaves", mount);
}

#define V1_MOUNTS                                                                           \
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"                           \
	"31 22 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"                        \
	"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"               \
	"35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n" \
	"37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"               \
	"39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
#define V1_SELF "8:pids:/user/a\n6:freezer:/\n4:memory:/batch/b:c\n2:cpu,cpuacct:/\n"
#define UNIFIED "41 31 0:38 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

Test(cgroup_parse, v1)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host, V1_MOUNTS, V1_SELF), 0);
	cr_expect_eq(host.mode, LXE_CGROUP_V1);
	cr_assert_eq(host.n, 2);
	expect_hierarchy(&host.hierarchy[0], "/sys/fs/cgroup/memory", "batch/b:c",
		LXE_CONTROLLER_MEMORY, false, false);
	expect_hierarchy(&host.hierarchy[1], "/sys/fs/cgroup/pids", "user/a", LXE_CONTROLLER_PIDS,
		false, true);
}

Test(cgroup_parse, hybrid)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host, V1_MOUNTS UNIFIED, V1_SELF "0::/user.slice/s-1.scope\n"), 0);
	cr_expect_eq(host.mode, LXE_CGROUP_HYBRID);
	cr_assert_eq(host.n, 3);
	expect_hierarchy(&host.hierarchy[1], "/sys/fs/cgroup/pids", "user/a", LXE_CONTROLLER_PIDS,
		false, false);
	expect_hierarchy(&host.hierarchy[2], "/sys/fs/cgroup/unified", "user.slice/s-1.scope", 0,
		true, true);
}

Test(cgroup_parse, v2_of_a_systemd_host_goes_to_the_top)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host,
			     "24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
			     "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "
			     "rw,nsdelegate,memory_recursiveprot\n",
			     "0::/user.slice/user-0.slice/session-3.scope\n"),
		0);
	cr_expect_eq(host.mode, LXE_CGROUP_V2);
	cr_assert_eq(host.n, 1);
	expect_hierarchy(&host.hierarchy[0], "/sys/fs/cgroup", "", LXE_CONTROLLERS_ALL, true, true);
}

Test(cgroup_parse, a_controller_that_v1_lacks_is_left_to_v2)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host, "35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n" UNIFIED,
			     "4:memory:/m\n0::/u\n"),
		0);
	cr_expect_eq(host.mode, LXE_CGROUP_HYBRID);
	cr_assert_eq(host.n, 2);
	expect_hierarchy(
		&host.hierarchy[0], "/cg/memory", "m", LXE_CONTROLLER_MEMORY, false, false);
	expect_hierarchy(
		&host.hierarchy[1], "/sys/fs/cgroup/unified", "", LXE_CONTROLLER_PIDS, true, true);
}

Test(cgroup_parse, controllers_mounted_together)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host, "35 31 0:32 / /cg/both rw - cgroup cgroup rw,pids,memory\n",
			     "4:pids,memory:/m\n"),
		0);
	cr_assert_eq(host.n, 1);
	expect_hierarchy(&host.hierarchy[0], "/cg/both", "m", LXE_CONTROLLERS_ALL, false, true);
}

Test(cgroup_parse, root_of_the_mount_is_stripped)
{
	struct lxe_cgroup_host host;
	const char *mounts = "35 31 0:32 /jail/a /cg/me\\040mory ro - cgroup cgroup rw,memory\n"
			     "36 31 0:33 /jail /cg/pids rw - cgroup cgroup rw,pids\n";

	cr_assert_eq(parse(&host, mounts, "4:memory:/jail/a/b/c\n5:pids:/jail\n"), 0);
	expect_hierarchy(
		&host.hierarchy[0], "/cg/me mory", "b/c", LXE_CONTROLLER_MEMORY, false, false);
	expect_hierarchy(&host.hierarchy[1], "/cg/pids", "", LXE_CONTROLLER_PIDS, false, true);
	/* "/jail/ab" is not below "/jail/a". */
	cr_expect_eq(
		parse(&host, mounts, "4:memory:/jail/ab\n5:pids:/jail\n"), LXE_CONTROLLER_MEMORY);
	cr_expect_eq(parse(&host, "35 31 0:32 /../x /cg rw - cgroup cgroup rw,memory,pids\n",
			     "4:memory,pids:/\n"),
		LXE_CONTROLLERS_ALL);
}

Test(cgroup_parse, a_second_mount_is_taken_when_the_first_does_not_show_us)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host,
			     "35 31 0:32 /other /cg/1 rw - cgroup cgroup rw,memory,pids\n"
			     "36 31 0:32 / /cg/2 rw - cgroup cgroup rw,memory,pids\n",
			     "4:memory,pids:/me\n"),
		0);
	expect_hierarchy(&host.hierarchy[0], "/cg/2", "me", LXE_CONTROLLERS_ALL, false, true);
}

Test(cgroup_parse, nothing_and_nonsense)
{
	static const char *const nonsense[] = { "", "\n\n", "1 2 3\n", "- - - - - - -\n",
		"1 2 3 / /x rw - cgroup2\n", "1 2 3 / /x rw cgroup2 cgroup2 rw\n" };
	struct lxe_cgroup_host host;

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		cr_expect_eq(parse(&host, nonsense[i], "0::/\n"), LXE_CONTROLLERS_ALL);
		cr_expect_eq(host.mode, LXE_CGROUP_NONE, "text %zu", i);
	}
	cr_expect_eq(parse(&host, V1_MOUNTS, ""), LXE_CONTROLLERS_ALL);
	cr_expect_eq(parse(&host, V1_MOUNTS, "8\n:::\n4:memory\n"), LXE_CONTROLLERS_ALL);
	cr_expect_eq(parse(&host, V1_MOUNTS, "4:memory:/"), LXE_CONTROLLER_PIDS);
	/* A named hierarchy is no controller. */
	cr_expect_eq(parse(&host, "1 2 0:1 / /x rw - cgroup cgroup rw,name=memory\n",
			     "4:name=memory:/\n"),
		LXE_CONTROLLERS_ALL);
}

/* Those that only some limits need are known, and no group is made in them. */
Test(cgroup_parse, further_v1_hierarchies_are_known)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(parse(&host,
			     V1_MOUNTS UNIFIED
			     "40 31 0:40 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n",
			     V1_SELF "0::/\n9:blkio:/io\n"),
		0);
	cr_assert_eq(host.n, 3);
	cr_assert_eq(host.n_known, 5);
	expect_hierarchy(&host.hierarchy[3], "/sys/fs/cgroup/cpu", "", 0, false, false);
	cr_expect_eq(host.hierarchy[3].offers, LXE_CONTROLLER_CPU | LXE_CONTROLLER_CPUACCT);
	expect_hierarchy(&host.hierarchy[4], "/sys/fs/cgroup/blkio", "io", 0, false, false);
	cr_expect_eq(host.hierarchy[4].offers, LXE_CONTROLLER_IO);
}

Test(cgroup_parse, a_controller_that_is_mounted_with_another_needs_no_further_hierarchy)
{
	struct lxe_cgroup_host host;

	cr_assert_eq(
		parse(&host, "35 31 0:32 / /cg/x rw - cgroup cgroup rw,pids,memory,cpu,cpuset\n",
			"4:pids,memory,cpu,cpuset:/m\n"),
		0);
	cr_assert_eq(host.n_known, 1);
	cr_expect_eq(host.hierarchy[0].controllers, LXE_CONTROLLERS_ALL);
	cr_expect_eq(host.hierarchy[0].offers,
		LXE_CONTROLLERS_ALL | LXE_CONTROLLER_CPU | LXE_CONTROLLER_CPUSET);
}
