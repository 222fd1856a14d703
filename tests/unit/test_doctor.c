#include <criterion/criterion.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "confine/apparmor.h"

#define LINES 8

Test(doctor, releases)
{
	cr_expect(lxe_release_at_least("5.19.0", 5, 19));
	cr_expect(lxe_release_at_least("5.19", 5, 19));
	cr_expect(lxe_release_at_least("5.19-rc1", 5, 19));
	cr_expect(lxe_release_at_least("6.1.0-18-amd64", 5, 19));
	cr_expect(lxe_release_at_least("6.18.44-cloud", 6, 18));
	cr_expect(lxe_release_at_least("10.0.1", 6, 18));
	cr_expect(lxe_release_at_least("2.89  Copyright (c)", 2, 87), "as dnsmasq says it");
	cr_expect_not(lxe_release_at_least("2.86test3", 2, 87));
	cr_expect_not(lxe_release_at_least("5.18.19", 5, 19));
	cr_expect_not(lxe_release_at_least("5.4.0-100-generic", 5, 19));
	cr_expect_not(lxe_release_at_least("4.19.0", 5, 1));
	cr_expect_not(lxe_release_at_least("5", 5, 1));
	cr_expect_not(lxe_release_at_least("6", 5, 19), "no release of Linux has one number only");
	cr_expect_not(lxe_release_at_least("6.", 5, 19));
	cr_expect_not(lxe_release_at_least("6.x", 5, 19));
	cr_expect_not(lxe_release_at_least("6-1.2", 5, 19));
	cr_expect_not(lxe_release_at_least("-6.1", 5, 19));
	cr_expect_not(lxe_release_at_least(" 6.1", 5, 19));
	cr_expect_not(lxe_release_at_least("4294967302.1", 5, 19), "too large for a number");
	cr_expect_not(lxe_release_at_least("99999999999999999999.1", 5, 19));
	cr_expect_not(lxe_release_at_least("", 0, 1));
	cr_expect_not(lxe_release_at_least("unknown", 0, 0));
}

static size_t parse(struct lxe_subid *lines, const char *text)
{
	size_t n = 0;

	while (n < LINES && lxe_subid_next(&text, &lines[n]))
		n++;
	return n;
}

Test(doctor, subid_overlap)
{
	struct lxe_subid s[LINES];
	size_t n = parse(s, "root:1000:1000\ndev:2000:1000\nuser:5000:10\n");

	cr_assert_eq(n, 3);
	cr_expect_null(lxe_subid_overlap(s, n, 1000, 1000), "root's own line is no overlap");
	cr_expect_eq(lxe_subid_overlap(s, n, 1000, 1001), &s[1], "its first id");
	cr_expect_eq(lxe_subid_overlap(s, n, 2999, 1), &s[1], "its last id");
	cr_expect_null(lxe_subid_overlap(s, n, 3000, 2000), "between two");
	cr_expect_eq(lxe_subid_overlap(s, n, 0, 100000), &s[1], "around both: the first");
	cr_expect_eq(lxe_subid_overlap(s, n, 5002, 2), &s[2], "inside");
	cr_expect_null(lxe_subid_overlap(s, 0, 0, UINT32_MAX), "no lines");
}

static uint64_t find_free(const char *text, uint64_t from, uint64_t count)
{
	struct lxe_subid s[LINES];
	size_t n = parse(s, text);
	uint64_t start = 0;

	cr_assert_eq(lxe_subid_free(s, n, from, count, &start), 0, "'%s'", text);
	cr_expect_null(lxe_subid_overlap(s, n, start, count), "'%s'", text);
	cr_expect_eq(start % 65536, 0, "'%s'", text);
	cr_expect_geq(start, from, "'%s'", text);
	return start;
}

Test(doctor, subid_free)
{
	cr_expect_eq(find_free("", 65536, 65536), 65536);
	cr_expect_eq(find_free("", 65537, 65536), 131072);
	cr_expect_eq(find_free("a:65536:1\n", 65536, 65536), 131072);
	cr_expect_eq(find_free("a:65536:65536\nb:196608:65536\n", 65536, 65536), 131072);
	cr_expect_eq(find_free("a:65536:65536\nb:196608:65536\n", 65536, 131072), 262144);
	cr_expect_eq(find_free("b:196608:65536\na:65536:65536\n", 65536, 131072), 262144);
	cr_expect_eq(find_free("root:65536:65536\n", 65536, 65536), 65536);
}

Test(doctor, subid_free_none)
{
	struct lxe_subid s[LINES];
	size_t n = parse(s, "a:1879048192:2415919102\n");
	uint64_t start = 7;

	cr_assert_eq(n, 1);
	cr_expect_eq(lxe_subid_free(s, n, 1879048192, 65536, &start), -ERANGE);
	cr_expect_eq(lxe_subid_free(s, 0, 65536, UINT32_MAX, &start), -ERANGE);
	cr_expect_eq(start, 7, "untouched");
}

/* What `--apparmor default` would be, with these profiles loaded. */
static const char *default_of(const char *list)
{
	char path[] = "/tmp/lxe-profiles-XXXXXX";
	const char *found = "untouched";
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, list, strlen(list)), (ssize_t)strlen(list));
	close(fd);
	cr_assert_eq(lxe_apparmor_find_default(path, &found), 0);
	unlink(path);
	return found;
}

Test(doctor, apparmor_profiles)
{
	const char *found = "untouched";

	cr_expect_null(default_of(""));
	cr_expect_null(default_of(
		"/usr/bin/man (enforce)\nlxc-container-default-with-nesting (enforce)\n"));
	cr_expect_str_eq(default_of("a (complain)\nlxc-container-default (enforce)\n"),
		"lxc-container-default");
	cr_expect_str_eq(
		default_of("lxc-container-default (enforce)\nlxc-container-default-cgns (enforce)"),
		"lxc-container-default-cgns");
	cr_expect_eq(lxe_apparmor_find_default("/nowhere/profiles", &found), -ENOENT);
	cr_expect_str_eq(found, "untouched");
}

static struct lxe_doctor doctor;

Test(doctor, checks)
{
	struct lxe_check *c;

	c = lxe_doctor_add(&doctor, "one", LXE_HEALTH_WARN, "%s", "detail");
	lxe_check_remedy(c, "run %s", "this");
	cr_assert_eq(doctor.n, 1);
	cr_expect_str_eq(doctor.check[0].detail, "detail");
	cr_expect_str_eq(doctor.check[0].remedy, "run this");
	for (int i = 0; i < 2 * LXE_CHECKS_MAX; i++)
		c = lxe_doctor_add(&doctor, "more", LXE_HEALTH_OK, "%d", i);
	cr_expect_eq(doctor.n, LXE_CHECKS_MAX);
	cr_expect_eq(c, &doctor.check[LXE_CHECKS_MAX - 1]);
	cr_expect_str_eq(c->remedy, "");
}
