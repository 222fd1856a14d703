#include "changes/changes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "changes_fixture.h"

#define T1                            \
	(struct timespec)             \
	{                             \
		1000000001, 123456789 \
	}

Test(changes_scan, nothing_written_is_no_change)
{
	struct world w = world_new();

	write_file(w.lower, "a", "x");
	expect(&w, "");
	world_free(&w);
}

Test(changes_scan, what_is_only_above_is_added_and_what_is_only_below_is_nothing)
{
	struct world w = world_new();

	write_file(w.lower, "old", "x");
	write_file(w.upper, "new", "x");
	mkdirat(w.upper, "d", 0755);
	mkdirat(w.upper, "d/e", 0755);
	write_file(w.upper, "d/e/f", "x");
	expect(&w, "A d\nA d/e\nA d/e/f\nA new\n");
	world_free(&w);
}

Test(changes_scan, a_whiteout_deletes_what_is_there)
{
	struct world w = world_new();

	write_file(w.lower, "a", "x");
	mkdirat(w.lower, "d", 0755);
	write_file(w.lower, "d/x", "x");
	whiteout(w.upper, "a");
	whiteout(w.upper, "d");
	whiteout(w.upper, "never");
	mkdirat(w.upper, "n", 0755);
	whiteout(w.upper, "n/never");
	expect(&w, "D a\nD d\nA n\n");
	world_free(&w);
}

Test(changes_scan, a_directory_or_file_that_was_copied_up_only_is_no_change)
{
	struct world w = world_new();

	mkdirat(w.lower, "d", 0755);
	write_file(w.lower, "d/x", "same");
	mkdirat(w.upper, "d", 0755);
	write_file(w.upper, "d/x", "same");
	set_time(w.lower, "d/x", T1);
	set_time(w.upper, "d/x", T1);
	expect(&w, "");
	world_free(&w);
}

Test(changes_scan, content_is_compared_where_size_and_times_are_the_same)
{
	struct world w = world_new();

	write_file(w.lower, "x", "same");
	write_file(w.upper, "x", "sane");
	set_time(w.lower, "x", T1);
	set_time(w.upper, "x", T1);
	expect(&w, "M x\n");
	world_free(&w);
}

Test(changes_scan, what_is_not_content_is_told_apart)
{
	struct world w = world_new();
	static const char *const names[] = { "mode", "owner", "time", "xattr", "acl" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		write_file(w.lower, names[i], "same");
		write_file(w.upper, names[i], "same");
		set_time(w.lower, names[i], T1);
		set_time(w.upper, names[i], T1);
	}
	cr_assert_eq(fchmodat(w.upper, "mode", 0755, 0), 0);
	cr_assert_eq(fchownat(w.upper, "owner", 7, 8, 0), 0);
	set_time(w.upper, "time", (struct timespec){ T1.tv_sec, 1 });
	set_xattr(w.upper, "xattr", "user.a", "1", 1);
	set_xattr(w.upper, "xattr", "trusted.overlay.origin", "", 0);
	set_xattr(w.upper, "acl", "trusted.overlay.origin", "", 0);
	expect(&w, "m mode 1\nm owner 2\nm time 8\nm xattr 4\n");
	world_free(&w);
}

Test(changes_scan, types_change)
{
	struct world w = world_new();

	write_file(w.lower, "f", "x");
	mkdirat(w.upper, "f", 0755);
	write_file(w.upper, "f/in", "x");
	mkdirat(w.lower, "d", 0755);
	write_file(w.lower, "d/gone", "x");
	cr_assert_eq(symlinkat("x", w.upper, "d"), 0);
	expect(&w, "T d\nT f\nA f/in\n");
	world_free(&w);
}

Test(changes_scan, an_opaque_directory_deletes_what_is_not_in_it)
{
	struct world w = world_new();

	mkdirat(w.lower, "d", 0755);
	write_file(w.lower, "d/gone", "x");
	write_file(w.lower, "d/same", "x");
	mkdirat(w.lower, "d/sub", 0755);
	write_file(w.lower, "d/sub/gone", "x");
	mkdirat(w.upper, "d", 0755);
	set_xattr(w.upper, "d", "trusted.overlay.opaque", "y", 1);
	write_file(w.upper, "d/same", "x");
	set_time(w.lower, "d/same", T1);
	set_time(w.upper, "d/same", T1);
	write_file(w.upper, "d/new", "x");
	mkdirat(w.upper, "d/sub", 0755);
	set_xattr(w.upper, "d/sub", "trusted.overlay.opaque", "y", 1);
	expect(&w, "D d/gone\nA d/new\nD d/sub/gone\n");
	world_free(&w);
}

Test(changes_scan, owners_are_the_sources)
{
	struct world w = world_new();

	w.layer.ids = (struct lxe_cow_ids){ .from = 100000, .to = 0, .count = 65536 };
	write_file(w.lower, "same", "x");
	write_file(w.upper, "same", "x");
	set_time(w.lower, "same", T1);
	set_time(w.upper, "same", T1);
	cr_assert_eq(fchownat(w.lower, "same", 5, 6, 0), 0);
	cr_assert_eq(fchownat(w.upper, "same", 100005, 100006, 0), 0);
	cr_assert_eq(fchownat(w.upper, "", 100000, 100000, AT_EMPTY_PATH), 0);
	expect(&w, "");
	cr_assert_eq(fchownat(w.upper, "same", 100005, 100005, 0), 0);
	expect(&w, "m same 2\n");
	world_free(&w);
}

Test(changes_scan, another_name_of_a_file_is_a_link)
{
	struct world w = world_new();
	struct lxe_changes c = { 0 };

	write_file(w.lower, "a", "x");
	write_file(w.upper, "a", "x");
	set_time(w.lower, "a", T1);
	set_time(w.upper, "a", T1);
	cr_assert_eq(linkat(w.upper, "a", w.upper, "b", 0), 0);
	write_file(w.upper, "n1", "y");
	cr_assert_eq(linkat(w.upper, "n1", w.upper, "n2", 0), 0);
	cr_assert_eq(lxe_changes_scan(&c, &w.layer, NULL), 0);
	cr_assert_eq(lxe_changes_count(&c), 3);
	cr_assert_str_eq(entry(&c, "b")->link, "a");
	cr_assert_null(entry(&c, "n1")->link);
	cr_assert_str_eq(entry(&c, "n2")->link, "n1");
	lxe_changes_release(&c);
	world_free(&w);
}

Test(changes_scan, names_are_bytes_and_sorted_as_trees)
{
	struct world w = world_new();

	write_file(w.upper, "d.c", "");
	mkdirat(w.upper, "d", 0755);
	write_file(w.upper, "d/z\n", "");
	write_file(w.upper, "d-", "");
	write_file(w.upper, "\xff", "");
	expect(&w, "A d\nA d/z\n\nA d-\nA d.c\nA \xff\n");
	world_free(&w);
}

Test(changes_scan, a_symlink_for_a_directory_is_never_followed)
{
	struct world w = world_new();

	mkdirat(w.lower, "d", 0755);
	write_file(w.lower, "d/secret", "x");
	cr_assert_eq(symlinkat("d", w.lower, "l"), 0);
	mkdirat(w.upper, "l", 0755);
	write_file(w.upper, "l/secret", "y");
	cr_assert_eq(symlinkat("/etc", w.upper, "etc"), 0);
	expect(&w, "A etc\nT l\nA l/secret\n");
	world_free(&w);
}

Test(changes_scan, what_is_too_deep_is_refused)
{
	struct world w = world_new();
	struct lxe_changes c = { 0 };
	struct lxe_err err = { 0 };
	int at = dup(w.upper);

	for (int i = 0; i < 300; i++) {
		int next;

		mkdirat(at, "d", 0755);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
	cr_assert_eq(lxe_changes_scan(&c, &w.layer, &err), -ELOOP);
	cr_assert_eq(c.n, 0);
	cr_assert(strstr(err.msg, "d/d/d"));
	world_free(&w);
}

Test(changes_scan, selection_takes_what_is_below_and_the_new_directories_above)
{
	struct world w = world_new();
	struct lxe_changes c = { 0 };

	mkdirat(w.upper, "d", 0755);
	write_file(w.upper, "d/a", "x");
	write_file(w.upper, "d/b", "x");
	write_file(w.upper, "e", "x");
	cr_assert_eq(lxe_changes_scan(&c, &w.layer, NULL), 0);
	cr_assert_eq(lxe_changes_select(&c, (const char *const[]){ "d/b" }, 1, NULL), 0);
	cr_assert(entry(&c, "d")->selected && entry(&c, "d/b")->selected);
	cr_assert(!entry(&c, "d/a")->selected && !entry(&c, "e")->selected);
	cr_assert_eq(lxe_changes_select(&c, (const char *const[]){ "." }, 1, NULL), 0);
	cr_assert(entry(&c, "e")->selected);
	cr_assert_eq(lxe_changes_select(&c, (const char *const[]){ "d/" }, 1, NULL), -ENOENT);
	cr_assert_eq(lxe_changes_select(&c, (const char *const[]){ "x" }, 1, NULL), -ENOENT);
	lxe_changes_release(&c);
	world_free(&w);
}
