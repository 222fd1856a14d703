#include "store/sandbox.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fds.h"
#include "random.h"
#include "sys/fd.h"

#define DEADLINE_MS 20000

struct run {
	char path[64];
};

static struct run new_run(void)
{
	struct run run;

	snprintf(run.path, sizeof(run.path), "/tmp/lxe-test-run-XXXXXX");
	cr_assert_not_null(mkdtemp(run.path));
	return run;
}

/* It must be empty by now. */
static void end_run(const struct run *run)
{
	char sandboxes[96];

	snprintf(sandboxes, sizeof(sandboxes), "%s/sandboxes", run->path);
	cr_assert_eq(rmdir(sandboxes), 0, "%s is not empty", sandboxes);
	cr_assert_eq(rmdir(run->path), 0);
}

static struct lxe_sandbox new_sandbox(const struct run *run)
{
	struct lxe_sandbox s = LXE_SANDBOX_NONE;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_sandbox_new(&s, run->path, &err), 0, "%s", err.msg);
	return s;
}

static void remove_and_release(struct lxe_sandbox *s)
{
	cr_assert_eq(lxe_sandbox_remove(s), 0);
	lxe_sandbox_release(s);
}

static size_t count(const struct run *run)
{
	struct lxe_strv ids = { 0 };
	size_t n;

	cr_assert_eq(lxe_sandbox_list(run->path, &ids, NULL), 0);
	n = ids.n;
	lxe_strv_release(&ids);
	return n;
}

Test(sandbox, a_new_one_is_listed_locked_and_has_an_empty_journal)
{
	struct run run = new_run();
	int before = open_fds();
	struct lxe_sandbox s, other = LXE_SANDBOX_NONE;
	struct lxe_strv ids = { 0 };
	struct stat st;
	char *text;
	size_t len;

	umask(077);
	s = new_sandbox(&run);
	cr_assert_eq(strspn(s.id, "0123456789abcdef"), LXE_ID_LEN);
	cr_assert_eq(fstat(s.dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0711, "the mapped root passes, whatever the umask");
	cr_assert_eq(fstat(s.journal, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(lxe_journal_read(&s, &text, &len), 0);
	cr_assert_eq(len, 0);
	free(text);
	cr_assert_eq(lxe_sandbox_list(run.path, &ids, NULL), 0);
	cr_assert_eq(ids.n, 1);
	cr_assert_str_eq(ids.v[0], s.id);
	lxe_strv_release(&ids);
	/* A second open file description of the same process is somebody else. */
	cr_assert_eq(lxe_sandbox_claim(&other, run.path, s.id, 0, NULL), -EWOULDBLOCK);
	remove_and_release(&s);
	cr_assert_eq(count(&run), 0);
	cr_assert_eq(open_fds(), before);
	end_run(&run);
}

Test(sandbox, a_released_one_can_be_claimed_with_its_journal)
{
	const struct lxe_entry entry = { LXE_ENTRY_CGROUP, "/x y" };
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), again = LXE_SANDBOX_NONE;
	int before = open_fds();
	char *text;
	size_t len;

	cr_assert_eq(lxe_journal_add(&s, &entry, 1, NULL), 0);
	lxe_sandbox_release(&s);
	cr_assert_eq(lxe_sandbox_claim(&again, run.path, s.id, 0, NULL), 0);
	cr_assert_eq(open_fds(), before);
	cr_assert_str_eq(again.id, s.id);
	cr_assert_eq(lxe_journal_read(&again, &text, &len), 0);
	cr_assert_str_eq(text, "cgroup /x y\n");
	free(text);
	/* Appended, not written over. */
	cr_assert_eq(lxe_journal_add(&again, &entry, 1, NULL), 0);
	cr_assert_eq(lxe_journal_read(&again, &text, &len), 0);
	cr_assert_str_eq(text, "cgroup /x y\ncgroup /x y\n");
	free(text);
	remove_and_release(&again);
	end_run(&run);
}

Test(sandbox, what_is_no_id_is_neither_claimed_nor_listed)
{
	static const char *const bad[] = { "", ".", "..", "0123456789a", "0123456789abc",
		"0123456789AB", "0123456789a/", "../../../etc", "0123456789a\n" };
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), other = LXE_SANDBOX_NONE;
	int before = open_fds();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lxe_err err = { 0 };

		cr_assert_eq(lxe_sandbox_claim(&other, run.path, bad[i], 0, &err), -EINVAL);
		cr_assert_neq(err.msg[0], '\0');
	}
	cr_assert_eq(lxe_sandbox_claim(&other, run.path, "000000000000", 0, NULL), -ENOENT);
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(mkdirat(s.parent, "lost+found", 0700), 0);
	cr_assert_eq(count(&run), 1);
	cr_assert_eq(unlinkat(s.parent, "lost+found", AT_REMOVEDIR), 0);
	remove_and_release(&s);
	end_run(&run);
}

Test(sandbox, a_symlink_is_no_record)
{
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), other = LXE_SANDBOX_NONE;

	cr_assert_eq(symlinkat("/tmp", s.parent, "aaaaaaaaaaaa"), 0);
	cr_assert_lt(lxe_sandbox_claim(&other, run.path, "aaaaaaaaaaaa", 0, NULL), 0);
	cr_assert_eq(unlinkat(s.parent, "aaaaaaaaaaaa", 0), 0);
	remove_and_release(&s);
	end_run(&run);
}

Test(sandbox, without_a_run_directory_nothing_is_listed_or_claimed)
{
	struct lxe_strv ids = { 0 };
	struct lxe_sandbox s = LXE_SANDBOX_NONE;

	cr_assert_eq(lxe_sandbox_list("/tmp/lxe-test-absent", &ids, NULL), 0);
	cr_assert_eq(ids.n, 0);
	cr_assert_eq(
		lxe_sandbox_claim(&s, "/tmp/lxe-test-absent", "0123456789ab", 0, NULL), -ENOENT);
	cr_assert_lt(lxe_sandbox_new(&s, "/proc/lxe-test", NULL), 0);
	cr_assert_eq(s.dir, -EBADF);
}

Test(sandbox, adopting_takes_the_descriptors_also_when_it_fails)
{
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), adopted = LXE_SANDBOX_NONE;
	int before = open_fds(), parent = dup(s.parent), dir = dup(s.dir);

	cr_assert_eq(lxe_sandbox_adopt(&adopted, parent, dir, "not an id", NULL), -EINVAL);
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(adopted.dir, -EBADF);
	cr_assert_eq(lxe_sandbox_adopt(&adopted, dup(s.parent), dup(s.dir), s.id, NULL), 0);
	lxe_sandbox_release(&s);
	/* The lock is the open file description's: a duplicate keeps it. */
	cr_assert_eq(lxe_sandbox_claim(&s, run.path, adopted.id, 0, NULL), -EWOULDBLOCK);
	remove_and_release(&adopted);
	end_run(&run);
}

/* ---- removal ---- */

Test(sandbox, our_layer_goes_with_the_directory)
{
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run);

	cr_assert_eq(mkdirat(s.dir, "rw", 0700), 0);
	cr_assert_eq(mkdirat(s.dir, "rw/u", 0700), 0);
	cr_assert_eq(lxe_sandbox_remove(&s), 0);
	cr_assert_eq(lxe_sandbox_remove(&s), 0, "what is gone is removed");
	lxe_sandbox_release(&s);
	end_run(&run);
}

static void expect_kept(struct lxe_sandbox *s)
{
	char *text;
	size_t len;

	cr_assert_eq(lxe_sandbox_remove(s), -ENOTEMPTY);
	cr_assert_eq(lxe_journal_read(s, &text, &len), 0);
	cr_assert_str_eq(text, "cgroup /x\n");
	free(text);
	cr_assert_eq(
		faccessat(s->dir, "journal", F_OK, 0), 0, "the record is kept for the next gc");
}

Test(sandbox, what_is_not_ours_keeps_the_directory_and_its_journal)
{
	const struct lxe_entry entry = { LXE_ENTRY_CGROUP, "/x" };
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run);

	cr_assert_eq(lxe_journal_add(&s, &entry, 1, NULL), 0);
	close(openat(s.dir, "foreign", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	expect_kept(&s);
	cr_assert_eq(unlinkat(s.dir, "foreign", 0), 0);
	cr_assert_eq(mkdirat(s.dir, "foreign", 0700), 0);
	expect_kept(&s);
	cr_assert_eq(unlinkat(s.dir, "foreign", AT_REMOVEDIR), 0);
	remove_and_release(&s);
	end_run(&run);
}

/* Whoever died between the two last steps of a removal left this. */
Test(sandbox, an_empty_directory_is_claimed_and_removed)
{
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), again = LXE_SANDBOX_NONE;

	cr_assert_eq(unlinkat(s.dir, "journal", 0), 0);
	lxe_sandbox_release(&s);
	cr_assert_eq(lxe_sandbox_claim(&again, run.path, s.id, 0, NULL), 0);
	remove_and_release(&again);
	end_run(&run);
}

/* ---- several processes ---- */

static void expect_readable(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	cr_assert_eq(poll(&p, 1, DEADLINE_MS), 1, "%s", what);
}

static void expect_exit_0(pid_t pid)
{
	int status = -1;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "status %x", status);
}

/* The lock ends with its last holder, by whatever way: the kernel's doing, not a handler's. */
Test(sandbox, the_lock_ends_with_the_last_holder)
{
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), other = LXE_SANDBOX_NONE;
	pid_t pid;
	int status;

	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		for (;;)
			pause();
	lxe_sandbox_release(&s);
	cr_assert_eq(lxe_sandbox_claim(&other, run.path, s.id, 0, NULL), -EWOULDBLOCK);
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(lxe_sandbox_claim(&other, run.path, s.id, 0, NULL), 0);
	remove_and_release(&other);
	end_run(&run);
}

/* Who waits gets the lock when the owner is done, or learns that the record is gone. */
static void wait_for_owner(bool removed)
{
	struct run run = new_run();
	struct lxe_sandbox s = new_sandbox(&run), other = LXE_SANDBOX_NONE;
	int ready[2], done[2], r;
	pid_t pid;
	char c;

	cr_assert_eq(sys_pipe(ready), 0);
	cr_assert_eq(sys_pipe(done), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		lxe_sandbox_release(&s);
		sys_write_all(ready[1], "r", 1);
		r = lxe_sandbox_claim(&other, run.path, s.id, 30000, NULL);
		sys_write_all(done[1], r == (removed ? -ENOENT : 0) ? "y" : "n", 1);
		_exit(0);
	}
	expect_readable(ready[0], "the waiter begins");
	if (removed)
		cr_assert_eq(lxe_sandbox_remove(&s), 0);
	lxe_sandbox_release(&s);
	expect_readable(done[0], "the waiter is told");
	cr_assert_eq(read(done[0], &c, 1), 1);
	cr_assert_eq(c, 'y');
	expect_exit_0(pid);
	if (!removed) {
		cr_assert_eq(lxe_sandbox_claim(&other, run.path, s.id, 0, NULL), 0);
		remove_and_release(&other);
	}
	end_run(&run);
}

Test(sandbox, a_waiter_gets_the_lock)
{
	wait_for_owner(false);
}

Test(sandbox, a_waiter_learns_that_the_record_is_gone)
{
	wait_for_owner(true);
}

#define CREATORS 4
#define COLLECTORS 3
#define ROUNDS 250

/* Whoever has made one owns it: it is where its id says, and stays there. */
static bool owned(const struct lxe_sandbox *s)
{
	struct stat ours, there;

	return fstat(s->dir, &ours) == 0 && fstatat(s->parent, s->id, &there, 0) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev &&
	       faccessat(s->dir, "journal", F_OK, 0) == 0;
}

static int create_many(const struct run *run, uint64_t seed)
{
	const struct lxe_entry entry = { LXE_ENTRY_CGROUP, "/x" };

	for (int i = 0; i < ROUNDS; i++) {
		struct lxe_sandbox s = LXE_SANDBOX_NONE;

		if (lxe_sandbox_new(&s, run->path, NULL) < 0)
			return 1;
		if (!owned(&s) || lxe_journal_add(&s, &entry, 1, NULL) < 0 || !owned(&s))
			return 2;
		/* Some die without a removal. */
		if (rnd_below(&seed, 2) && lxe_sandbox_remove(&s) < 0)
			return 3;
		lxe_sandbox_release(&s);
	}
	return 0;
}

static int collect(const struct run *run)
{
	struct lxe_strv ids = { 0 };
	int r = lxe_sandbox_list(run->path, &ids, NULL);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		struct lxe_sandbox s = LXE_SANDBOX_NONE;

		r = lxe_sandbox_claim(&s, run->path, ids.v[i], 0, NULL);
		if (r == 0)
			r = lxe_sandbox_remove(&s);
		else if (r == -EWOULDBLOCK || r == -ENOENT)
			r = 0;
		lxe_sandbox_release(&s);
	}
	lxe_strv_release(&ids);
	return r;
}

/* Until the other end of the pipe is closed. */
static int collect_until(const struct run *run, int stop)
{
	struct pollfd p = { .fd = stop, .events = POLLIN };

	while (poll(&p, 1, 0) == 0)
		if (collect(run) < 0)
			return 1;
	return 0;
}

Test(sandbox, no_creator_owns_a_directory_that_is_gone, .timeout = 60)
{
	pid_t creators[CREATORS], collectors[COLLECTORS];
	struct run run = new_run();
	int stop[2];

	cr_assert_eq(sys_pipe(stop), 0);
	for (size_t i = 0; i < COLLECTORS; i++) {
		collectors[i] = fork();
		cr_assert_geq(collectors[i], 0);
		if (collectors[i] == 0) {
			close(stop[1]);
			_exit(collect_until(&run, stop[0]));
		}
	}
	for (size_t i = 0; i < CREATORS; i++) {
		creators[i] = fork();
		cr_assert_geq(creators[i], 0);
		if (creators[i] == 0) {
			close(stop[1]);
			_exit(create_many(&run, i));
		}
	}
	for (size_t i = 0; i < CREATORS; i++)
		expect_exit_0(creators[i]);
	close(stop[1]);
	for (size_t i = 0; i < COLLECTORS; i++)
		expect_exit_0(collectors[i]);
	cr_assert_eq(collect(&run), 0);
	cr_assert_eq(count(&run), 0);
	end_run(&run);
}
