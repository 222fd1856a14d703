#include "network/together.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "run_fixture.h"
#include "sys/fd.h"

TestSuite(together, .init = make_run, .fini = remove_run);

#define FILTER(body) "*filter\n" body "COMMIT\n"
#define NAT(body) "*nat\n" body "COMMIT\n"

Test(together, a_table_is_there_once)
{
	LXE_AUTOFREE char *all = NULL;

	cr_assert_eq(lxe_together_merge(&all, FILTER("-D 1\n") NAT("-D 2\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n") NAT("-D 2\n"));
	cr_assert_eq(lxe_together_merge(&all, FILTER("-D 3\n-X 3\n")), 0);
	cr_assert_eq(lxe_together_merge(&all, FILTER("") NAT("-D 4\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n-D 3\n-X 3\n") NAT("-D 2\n-D 4\n"));
}

Test(together, half_a_text_is_none)
{
	LXE_AUTOFREE char *all = strdup(FILTER("-D 1\n"));

	cr_assert_eq(lxe_together_merge(&all, "*filter\n-D 2\n"), -EBADMSG);
	cr_assert_eq(lxe_together_merge(&all, ""), -EBADMSG);
	cr_assert_str_eq(all, FILTER("-D 1\n"));
}

static int begin(
	struct lxe_together *t, const char *id8, enum lxe_together_kind kind, const char *text)
{
	return lxe_together_begin(t, run, id8, kind, (const char *const[]){ text, NULL });
}

static size_t queued(void)
{
	char path[64];
	const struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/network", run);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += strstr(entry->d_name, ".undo.") || strstr(entry->d_name, ".set.");
	if (dir)
		closedir(dir);
	return n;
}

static void await_queued(size_t n)
{
	for (int i = 0; i < 5000 && queued() != n; i++)
		poll(NULL, 0, 2);
	cr_assert_eq(queued(), n);
}

/* Its status: 100 when somebody else has done it, or for how many it led, all of which it does or none. */
static pid_t other(const struct lxe_together *leader, const char *id8, enum lxe_together_kind kind,
	const char *text, bool done)
{
	struct lxe_together t;
	pid_t pid = fork();
	int r;

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	/* The lock is a description's, whichever process has it. */
	close(leader->lock);
	r = begin(&t, id8, kind, text);
	for (kind = 0; r == 0 && done && kind < LXE_TOGETHER_KINDS; kind++)
		lxe_together_done(&t, kind);
	lxe_together_end(&t);
	_exit(r == 1 ? 100 : r < 0 ? 101 : (int)t.n);
}

static int status_of(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

Test(together, who_is_first_leads_and_those_behind_him_go_together, .timeout = 30)
{
	struct lxe_together t;
	pid_t a, b;
	int first, second;

	cr_assert_eq(begin(&t, "00000001", LXE_TOGETHER_SET, FILTER("-A 1\n")), 0);
	cr_assert_eq(t.n, 1);
	cr_assert_str_eq(t.texts[0], FILTER("-A 1\n"));
	cr_assert_null(t.texts[1]);
	a = other(&t, "0000000a", LXE_TOGETHER_UNDO, FILTER("-D a\n"), true);
	b = other(&t, "0000000b", LXE_TOGETHER_SET, FILTER("-A b\n"), true);
	await_queued(2);
	lxe_together_end(&t);
	first = status_of(a);
	second = status_of(b);
	cr_assert_eq(first + second, 102, "%d %d", first, second);
	cr_assert_eq(queued(), 0);
}

Test(together, what_fails_for_all_each_does_alone, .timeout = 30)
{
	struct lxe_together t;
	pid_t a, b;
	int first, second;

	cr_assert_eq(begin(&t, "00000001", LXE_TOGETHER_UNDO, FILTER("-D 1\n")), 0);
	a = other(&t, "0000000a", LXE_TOGETHER_UNDO, FILTER("-D a\n"), false);
	b = other(&t, "0000000b", LXE_TOGETHER_UNDO, FILTER("-D b\n"), false);
	await_queued(2);
	lxe_together_end(&t);
	first = status_of(a);
	second = status_of(b);
	/* The second one finds his own text still there, and nobody else's. */
	cr_assert_eq(first + second, 3, "%d %d", first, second);
	cr_assert_eq(queued(), 0);
}

Test(together, one_kind_is_done_without_the_other, .timeout = 30)
{
	struct lxe_together first, second;
	pid_t set, undo;

	cr_assert_eq(begin(&first, "00000001", LXE_TOGETHER_SET, FILTER("-A 1\n")), 0);
	set = other(&first, "0000000a", LXE_TOGETHER_SET, FILTER("-A a\n"), true);
	undo = other(&first, "0000000b", LXE_TOGETHER_UNDO, FILTER("-D b\n"), true);
	await_queued(2);
	/* As the leader that has come when both were queued. */
	second = (struct lxe_together){ .dir = dup(first.dir),
		.lock = -EBADF,
		.n = 3,
		.members = { { LXE_TOGETHER_SET, "00000001" }, { LXE_TOGETHER_SET, "0000000a" },
			{ LXE_TOGETHER_UNDO, "0000000b" } } };
	lxe_together_done(&second, LXE_TOGETHER_SET);
	cr_assert_eq(queued(), 1);
	lxe_together_end(&second);
	lxe_together_end(&first);
	cr_assert_eq(status_of(set), 100);
	cr_assert_eq(status_of(undo), 1);
}

Test(together, one_that_is_killed_is_forgotten_when_no_leader_has_it_any_more, .timeout = 30)
{
	struct lxe_together t;
	pid_t killed, forgets;

	cr_assert_eq(begin(&t, "00000001", LXE_TOGETHER_SET, FILTER("-A 1\n")), 0);
	killed = other(&t, "0000000a", LXE_TOGETHER_SET, FILTER("-A a\n"), true);
	await_queued(1);
	kill(killed, SIGKILL);
	status_of(killed);
	cr_assert_eq(queued(), 1);
	forgets = fork();
	cr_assert_geq(forgets, 0);
	if (forgets == 0) {
		close(t.lock);
		lxe_together_forget(run, "0000000a");
		_exit(0);
	}
	await_queued(0);
	poll(NULL, 0, 50);
	cr_assert_eq(waitpid(forgets, NULL, WNOHANG), 0, "a leader may have its texts still");
	lxe_together_end(&t);
	cr_assert_eq(status_of(forgets), 0);
}
