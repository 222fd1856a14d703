#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/rootfs.h"

#define DEFAULT_START 1879048192u

static int pick(struct lxe_idmap *map, const char *text, const char *id)
{
	char path[] = "/tmp/lxe-test-subuid-XXXXXX";
	struct lxe_err err = { 0 };
	int fd = mkstemp(path), r;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	r = lxe_idmap_pick(map, path, id, &err);
	unlink(path);
	return r;
}

static void expect_range(const char *text, uint32_t start, uint64_t count)
{
	static const char *const ids[] = { "000000000000", "0123456789ab", "ffffffffffff" };
	struct lxe_idmap map;

	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(pick(&map, text, ids[i]), 0, "'%s'", text);
		cr_assert_eq(map.count, 65536, "'%s'", text);
		cr_assert_geq(map.host_start, start, "'%s' gives %u", text, map.host_start);
		cr_assert_leq((uint64_t)map.host_start + 65536, start + count, "'%s' gives %u",
			text, map.host_start);
		cr_assert_eq((map.host_start - start) % 65536, 0);
	}
}

static void expect_default(const char *text)
{
	expect_range(text, DEFAULT_START, 268435456u);
}

Test(idmap, without_a_line_of_roots_the_default_range_is_used)
{
	expect_default("");
	expect_default("user:100000:65536\n");
	expect_default("rootx:100000:65536\n");
	expect_default("xroot:100000:65536\n");
	expect_default("00:100000:65536\n");
}

Test(idmap, roots_line_is_used_by_name_or_number)
{
	expect_range("root:100000:65536\n", 100000, 65536);
	expect_range("0:100000:65536", 100000, 65536);
	expect_range("user:100000:65536\nroot:300000:1000000\n", 300000, 1000000);
	expect_range("root:4294770687:196608\n", 4294770687u, 196608);
}

Test(idmap, the_first_usable_line_of_several_wins)
{
	expect_range("root:1000:1\nroot:200000:65536\nroot:900000:65536\n", 200000, 65536);
	expect_range("rootx:100000:65536\nroot:200000:65536\n", 200000, 65536);
}

Test(idmap, too_narrow_or_of_the_systems_own_ids_is_not_used)
{
	expect_default("root:100000:65535\n");
	expect_default("root:0:65536\n");
	expect_default("root:0:4294967295\n");
	expect_default("root:1000:65536\n");
}

Test(idmap, malformed_lines_are_not_used)
{
	static const char *const bad[] = { "root", "root:", "root::", "root:100000",
		"root:100000:", "root::65536", "root:0x10000:65536",
		"root:100000:65536:", "root:100000:65536 ", "root: 100000:65536", "root:-1:65536",
		"root:100000:-1", "root:0100000:65536", "root:4294967295:65536",
		"root:4294967290:65536", "root:4294901760:65536", "root:99999999999999999999:65536",
		":100000:65536", "#root:100000:65536", "\n\n:::\n" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_default(bad[i]);
	expect_range("root:x:65536\nroot:200000:65536\n", 200000, 65536);
}

Test(idmap, the_highest_id_is_never_handed_out)
{
	struct lxe_idmap map;

	cr_assert_eq(pick(&map, "root:4294901759:65536\n", "x"), 0);
	cr_assert_eq(map.host_start, 4294901759u);
}

Test(idmap, one_id_always_gives_one_slot_and_ids_spread)
{
	struct lxe_idmap a, b;
	unsigned int same = 0;

	cr_assert_eq(pick(&a, "", "0123456789ab"), 0);
	cr_assert_eq(pick(&b, "", "0123456789ab"), 0);
	cr_assert_eq(a.host_start, b.host_start);
	for (unsigned int i = 0; i < 100; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%012x", i);
		cr_assert_eq(pick(&b, "", id), 0);
		same += a.host_start == b.host_start;
	}
	cr_assert_lt(same, 4, "%u of 100 share a slot of 4096", same);
}

Test(idmap, a_file_that_is_missing_is_no_error_but_an_unreadable_one_is)
{
	struct lxe_idmap map = { .count = 7 };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_idmap_pick(&map, "/nonexistent/subuid", "x", &err), 0);
	cr_assert_geq(map.host_start, DEFAULT_START);
	map.count = 7;
	cr_assert_eq(lxe_idmap_pick(&map, "/tmp", "x", &err), -EISDIR);
	cr_assert_eq(map.count, 7);
	cr_assert_str_eq(err.msg, "read '/tmp': is a directory");
}

Test(idmap, an_owner_is_root_inside_and_something_is_nobodys)
{
	struct lxe_idmap map, plain = { .host_start = 1000, .count = 65536 };

	lxe_idmap_of_owner(&map);
	cr_assert(map.owner && map.stored);
	cr_assert_eq(lxe_idmap_host(&map, 0), 65536);
	cr_assert_eq(lxe_idmap_host(&map, 1), 1);
	cr_assert_eq(lxe_idmap_host(&map, 65534), 65534);
	cr_assert_eq(lxe_idmap_host(&map, 65535), 0);
	for (uint32_t id = 0; id <= map.count; id++)
		cr_assert_neq(lxe_idmap_host(&map, id), lxe_idmap_nobody(&map));
	cr_assert_eq(lxe_idmap_host(&plain, 5), 1005);
	cr_assert_eq(lxe_idmap_nobody(&plain), geteuid());
}
