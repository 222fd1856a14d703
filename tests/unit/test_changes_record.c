#include "changes/record.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/fd.h"

static const struct lxe_cow_layer layer = { .since = { 100, 0 } };

static struct lxe_change_side side_of(uint64_t ino, time_t changed)
{
	return (struct lxe_change_side){
		.ino = ino, .changed = { changed, 7 }, .modified = { 50, 1 }
	};
}

static void put(int fd, enum lxe_record_kind kind, const char *path, struct lxe_change_side side)
{
	char *bytes = NULL;
	size_t len;
	FILE *memory = open_memstream(&bytes, &len);

	lxe_record_put(memory, kind, path, &side);
	fclose(memory);
	cr_assert_eq(lxe_record_append(fd, bytes, len), 0);
	free(bytes);
}

static bool untouched(int fd, struct lxe_change_side side)
{
	struct lxe_record rec = { 0 };
	bool answer;

	cr_assert_eq(lxe_commits_read(&rec, fd), 0);
	answer = lxe_record_untouched(&rec, &layer, &side);
	lxe_commits_release(&rec);
	return answer;
}

static uint64_t inode(int fd, const char *path)
{
	struct lxe_record rec = { 0 };
	uint64_t answer;

	cr_assert_eq(lxe_commits_read(&rec, fd), 0);
	answer = lxe_record_inode(&rec, path);
	lxe_commits_release(&rec);
	return answer;
}

Test(changes_record, what_is_older_is_untouched_and_what_is_as_old_is_not)
{
	int fd = sys_memfd("record", 0);
	struct lxe_change_side exactly = { .ino = 1, .changed = { 100, 0 } };

	cr_assert(untouched(fd, side_of(1, 99)));
	cr_assert_not(untouched(fd, exactly));
	cr_assert_not(untouched(fd, side_of(1, 101)));
	close(fd);
}

Test(changes_record, what_a_commit_has_made_is_known_by_inode_and_time_and_the_last_word_counts)
{
	int fd = sys_memfd("record", 0);

	put(fd, LXE_RECORD_DONE, "a", side_of(1, 200));
	cr_assert(untouched(fd, side_of(1, 200)));
	cr_assert_not(untouched(fd, side_of(1, 201)));
	cr_assert_not(untouched(fd, side_of(2, 200)));
	put(fd, LXE_RECORD_TOUCH, "a", side_of(1, 200));
	cr_assert(untouched(fd, side_of(1, 201)), "a commit was about to change it");
	put(fd, LXE_RECORD_DONE, "a", side_of(1, 300));
	cr_assert_not(untouched(fd, side_of(1, 201)));
	cr_assert(untouched(fd, side_of(1, 300)));
	put(fd, LXE_RECORD_FILE, "a", side_of(1, 300));
	cr_assert(untouched(fd, side_of(1, 400)), "the same content");
	close(fd);
}

Test(changes_record, what_a_commit_has_taken_away_with_a_directory_is_not_there)
{
	int fd = sys_memfd("record", 0);

	cr_assert_eq(inode(fd, "d/e/f"), 0);
	put(fd, LXE_RECORD_DONE, "d/e/f", side_of(5, 200));
	cr_assert_eq(inode(fd, "d/e/f"), 5);
	put(fd, LXE_RECORD_DONE, "d/e/fg", side_of(0, 0));
	cr_assert_eq(inode(fd, "d/e/f"), 5);
	put(fd, LXE_RECORD_DONE, "d", side_of(0, 0));
	cr_assert_eq(inode(fd, "d/e/f"), 0);
	put(fd, LXE_RECORD_DONE, "d/e/f", side_of(6, 200));
	cr_assert_eq(inode(fd, "d/e/f"), 6);
	close(fd);
}

Test(changes_record, a_file_system_that_counts_in_seconds_may_have_cut_off_the_rest)
{
	const struct lxe_cow_layer begun = { .since = { 100, 500000000 } };
	struct lxe_change_side side = { .ino = 1, .changed = { 100, 0 } };
	const struct lxe_record none = { 0 };

	cr_assert_not(lxe_record_untouched(&none, &begun, &side), "perhaps at 100.9");
	side.changed.tv_sec = 99;
	cr_assert_not(lxe_record_untouched(&none, &begun, &side), "FAT has every second one");
	side.changed.tv_sec = 98;
	cr_assert(lxe_record_untouched(&none, &begun, &side));
	side.changed = (struct timespec){ 100, 499999999 };
	cr_assert(lxe_record_untouched(&none, &begun, &side));
}

Test(changes_record, elsewhere_a_whole_second_is_one_of_the_clocks_ticks)
{
	const struct lxe_cow_layer begun = { .since = { 100, 500000000 }, .fine = true };
	struct lxe_change_side side = { .ino = 1, .changed = { 100, 0 } };
	const struct lxe_record none = { 0 };

	cr_assert(lxe_record_untouched(&none, &begun, &side));
	side.changed.tv_sec = 101;
	cr_assert_not(lxe_record_untouched(&none, &begun, &side));
}

Test(changes_record, half_an_entry_was_being_written_and_is_none)
{
	int fd = sys_memfd("record", 0);
	off_t whole, longer;

	put(fd, LXE_RECORD_DONE, "a", side_of(1, 200));
	whole = lseek(fd, 0, SEEK_END);
	put(fd, LXE_RECORD_DONE, "long", side_of(2, 200));
	longer = lseek(fd, 0, SEEK_END);
	for (off_t at = longer - 1; at >= whole; at--) {
		cr_assert_eq(ftruncate(fd, at), 0);
		cr_assert_eq(inode(fd, "a"), 1);
		cr_assert_eq(inode(fd, "long"), 0);
	}
	close(fd);
}

Test(changes_record, a_scan_needs_none)
{
	cr_assert_eq(inode(-EBADF, "a"), 0);
}

Test(changes_paths, a_tree_stays_together)
{
	static const char *const sorted[] = { ".", "a", "a/b", "a/b/c", "a/b c", "a b", "a.c",
		"b" };

	for (size_t i = 0; i < sizeof(sorted) / sizeof(sorted[0]); i++)
		for (size_t k = 0; k < sizeof(sorted) / sizeof(sorted[0]); k++)
			cr_assert_eq(lxe_path_compare(sorted[i], sorted[k]), (i > k) - (i < k),
				"%s %s", sorted[i], sorted[k]);
	cr_assert(
		lxe_path_below("a/b", "a") && lxe_path_below("a", "a") && lxe_path_below("x", "."));
	cr_assert_not(lxe_path_below("ab", "a"));
	cr_assert_not(lxe_path_below("a", "a/b"));
}

Test(changes_owners, are_shifted_both_ways_and_nobody_elses_are_nobodys)
{
	const struct lxe_cow_ids ids = { .from = 100000, .to = 1000, .count = 10 }, same = { 0 };

	cr_assert_eq(lxe_ids_down(&ids, 100000), 1000);
	cr_assert_eq(lxe_ids_down(&ids, 100009), 1009);
	cr_assert_eq(lxe_ids_down(&ids, 100010), (uint32_t)-1);
	cr_assert_eq(lxe_ids_down(&ids, 0), (uint32_t)-1);
	cr_assert_eq(lxe_ids_up(&ids, 1005), 100005);
	cr_assert_eq(lxe_ids_up(&ids, 0), (uint32_t)-1);
	cr_assert_eq(lxe_ids_down(&same, 42), 42);
}
