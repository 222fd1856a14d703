#include "base/path.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect(const char *from, const char *to)
{
	char path[64];

	snprintf(path, sizeof(path), "%s", from);
	lxe_path_normalize(path);
	cr_expect_str_eq(path, to, "%s: %s instead of %s", from, path, to);
}

Test(path, normalize_takes_away_what_leads_nowhere)
{
	expect("/", "/");
	expect("//", "/");
	expect("/.", "/");
	expect("/..", "/");
	expect("/../..//", "/");
	expect("/a", "/a");
	expect("//a/./b/", "/a/b");
	expect("/a/./b//../c", "/a/c");
	expect("/a/b/../../c/..", "/");
	expect("/../a", "/a");
	expect("/.../..a/.b", "/.../..a/.b");
}
