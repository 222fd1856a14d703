#include "store/sandbox.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "random.h"
#include "sys/fd.h"

#define ENTRIES_MAX 64

struct seen {
	size_t n;
	enum lxe_entry_kind kind[ENTRIES_MAX];
	char path[ENTRIES_MAX][64];
};

static void visit(void *arg, const struct lxe_entry *entry)
{
	struct seen *seen = arg;

	cr_assert_lt(seen->n, ENTRIES_MAX);
	cr_assert_lt(strlen(entry->path), sizeof(seen->path[0]));
	seen->kind[seen->n] = entry->kind;
	snprintf(seen->path[seen->n++], sizeof(seen->path[0]), "%s", entry->path);
}

static int replay(struct seen *seen, const char *text, size_t len)
{
	/* Without an end that a string function could run to. */
	char *copy = malloc(len ? len : 1);
	int r;

	memcpy(copy, text, len);
	memset(seen, 0, sizeof(*seen));
	r = lxe_journal_replay(copy, len, visit, seen);
	free(copy);
	return r;
}

static void expect_replay(const char *text, size_t len, int result, const char *const *paths)
{
	struct seen seen;
	size_t n = 0;

	cr_assert_eq(replay(&seen, text, len), result, "%s", text);
	for (; paths[n]; n++)
		cr_assert_str_eq(seen.path[n], paths[n]);
	cr_assert_eq(seen.n, n, "%s", text);
}

#define EXPECT(text, result, ...) \
	expect_replay(text, sizeof(text) - 1, result, (const char *const[]){ __VA_ARGS__, NULL })
#define NOTHING NULL

Test(journal, is_replayed_from_its_end)
{
	EXPECT("cgroup /a\nresult /b\ncgroup /c\n", 0, "/c", "/b", "/a");
}

Test(journal, nothing_is_in_an_empty_one)
{
	EXPECT("", 0, NOTHING);
}

Test(journal, a_torn_last_line_was_never_made)
{
	EXPECT("cgroup /a\ncgroup /b", 0, "/a");
	EXPECT("cgroup /a", 0, NOTHING);
	EXPECT("cgroup /a\nwhat\0ever", 0, "/a");
}

Test(journal, what_is_not_ours_is_reported_and_the_rest_is_visited)
{
	EXPECT("cgroup /a\nfirewall /x\ncgroup /b\n", -EBADMSG, "/b", "/a");
	EXPECT("cgroup /a\n\n", -EBADMSG, "/a");
	EXPECT("\n", -EBADMSG, NOTHING);
	EXPECT("cgroup\n", -EBADMSG, NOTHING);
	EXPECT("cgroup \n", -EBADMSG, NOTHING);
	EXPECT("cgroup  /a\n", -EBADMSG, NOTHING);
	EXPECT("cgroup relative\n", -EBADMSG, NOTHING);
	EXPECT(" cgroup /a\n", -EBADMSG, NOTHING);
	EXPECT("cgroups /a\n", -EBADMSG, NOTHING);
	EXPECT("cgrou /a\n", -EBADMSG, NOTHING);
	EXPECT("CGROUP /a\n", -EBADMSG, NOTHING);
	EXPECT("cgroup\t/a\n", -EBADMSG, NOTHING);
}

Test(journal, a_nul_hides_nothing)
{
	EXPECT("cgroup /a\0b\ncgroup /c\n", -EBADMSG, "/c");
	EXPECT("cgroup /a\n\0\n", -EBADMSG, "/a");
	EXPECT("cgroup\0 /a\n", -EBADMSG, NOTHING);
	EXPECT("cgroup /a\n\0\0\0\0", 0, "/a");
}

Test(journal, a_path_may_hold_blanks_and_any_byte)
{
	EXPECT("cgroup /a b  c \n", 0, "/a b  c ");
	EXPECT("result /\xff\x01\t\n", 0, "/\xff\x01\t");
	EXPECT("cgroup /\n", 0, "/");
}

static struct lxe_sandbox in_memory(void)
{
	struct lxe_sandbox s = LXE_SANDBOX_NONE;

	snprintf(s.id, sizeof(s.id), "0123456789ab");
	s.journal = sys_memfd("lxe-test", 0);
	cr_assert_geq(s.journal, 0);
	return s;
}

Test(journal, a_path_that_would_be_two_lines_is_refused_and_nothing_is_written)
{
	static const char *const bad[] = { "/a\nb", "\n", "/\n", "", "relative", "/x\n" };
	struct lxe_sandbox s = in_memory();
	struct lxe_err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct lxe_entry two[] = { { LXE_ENTRY_CGROUP, "/good" },
			{ LXE_ENTRY_RESULT, bad[i] } };

		err = (struct lxe_err){ 0 };
		cr_assert_eq(lxe_journal_add(&s, two, 2, &err), -EINVAL);
		cr_assert_neq(err.msg[0], '\0');
		cr_assert_eq(lseek(s.journal, 0, SEEK_END), 0);
	}
	cr_assert_eq(lxe_journal_add(&s, NULL, 0, NULL), 0);
	lxe_sandbox_release(&s);
}

/* What is added, in groups of any size, comes back from the last to the first. */
Test(journal, what_was_added_is_replayed)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int round = 0; round < 200; round++) {
			struct lxe_sandbox sandbox = in_memory();
			struct lxe_entry entries[ENTRIES_MAX];
			char paths[ENTRIES_MAX][64], *text = NULL;
			size_t total = rnd_below(&state, ENTRIES_MAX + 1), len = 0, group;
			struct seen seen;

			for (size_t i = 0; i < total; i++) {
				size_t size = rnd_below(&state, 40);

				paths[i][0] = '/';
				for (size_t k = 1; k <= size; k++) {
					char c = (char)(1 + rnd_below(&state, 255));

					paths[i][k] = c == '\n' ? ' ' : c;
				}
				paths[i][size + 1] = '\0';
				entries[i].kind =
					rnd_below(&state, 2) ? LXE_ENTRY_CGROUP : LXE_ENTRY_RESULT;
				entries[i].path = paths[i];
			}
			for (size_t i = 0; i < total; i += group) {
				group = 1 + rnd_below(&state, total - i);
				cr_assert_eq(
					lxe_journal_add(&sandbox, entries + i, group, NULL), 0);
			}
			cr_assert_eq(lxe_journal_read(&sandbox, &text, &len), 0);
			cr_assert_eq(replay(&seen, text, len), 0, "seed %" PRIu64, list[s]);
			cr_assert_eq(seen.n, total);
			for (size_t i = 0; i < total; i++) {
				size_t k = total - 1 - i;

				cr_assert_eq(seen.kind[i], entries[k].kind);
				cr_assert_str_eq(seen.path[i], entries[k].path);
			}
			free(text);
			lxe_sandbox_release(&sandbox);
		}
	}
}

struct piece {
	const char *bytes;
	size_t len;
	const char *path; /* NULL: not an entry of ours */
};

#define PIECE(text, path)                    \
	{                                    \
		text, sizeof(text) - 1, path \
	}

/* Random journals of good and bad lines, cut anywhere, against what each line is known to be. */
Test(journal, random_journals_are_read_line_by_line)
{
	static const struct piece pieces[] = { PIECE("cgroup /a\n", "/a"),
		PIECE("result /r r\n", "/r r"), PIECE("\n", NULL), PIECE("x /a\n", NULL),
		PIECE("cgroup \0/a\n", NULL), PIECE("cgroup\n", NULL), PIECE("\0\n", NULL),
		PIECE("cgroup /long/path/with/parts\n", "/long/path/with/parts") };
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int round = 0; round < 3000; round++) {
			const char *want[ENTRIES_MAX];
			size_t lines = rnd_below(&state, 20), len = 0, n_want = 0, torn;
			char text[1000];
			bool bad = false;
			struct seen seen;

			for (size_t i = 0; i < lines; i++) {
				const struct piece *p = &pieces[rnd_below(&state, 8)];

				memcpy(text + len, p->bytes, p->len);
				len += p->len;
				if (p->path)
					want[n_want++] = p->path;
				bad |= !p->path;
			}
			torn = rnd_below(&state, 9);
			memcpy(text + len, "cgroup /t", torn);
			cr_assert_eq(replay(&seen, text, len + torn), bad ? -EBADMSG : 0,
				"seed %" PRIu64, list[s]);
			cr_assert_eq(seen.n, n_want, "seed %" PRIu64, list[s]);
			for (size_t i = 0; i < n_want; i++)
				cr_assert_str_eq(seen.path[i], want[n_want - 1 - i]);
		}
	}
}
