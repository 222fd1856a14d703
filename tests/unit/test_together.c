#include "network/together.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_fixture.h"
#include "sys/fd.h"

TestSuite(together, .init = make_run, .fini = remove_run);

#define FILTER(body) "*filter\n" body "COMMIT\n"

static int begin_with(struct lxe_together *t, const char *id8, enum lxe_together_kind kind,
	const char *text, int later)
{
	return lxe_together_begin(t, run, id8, kind, (const char *const[]){ text, NULL }, later);
}

static int begin(
	struct lxe_together *t, const char *id8, enum lxe_together_kind kind, const char *text)
{
	return begin_with(t, id8, kind, text, -EBADF);
}

/* A leader whose own are done. */
static void lead(struct lxe_together *t, enum lxe_together_kind kind)
{
	cr_assert_eq(begin(t, "00000001", kind, FILTER("-A 1\n")), 0);
	cr_assert(lxe_together_turn(t));
	cr_assert_eq(t->n, 1);
	cr_assert_eq(t->kind, kind);
	cr_assert_str_eq(t->texts[0], FILTER("-A 1\n"));
	cr_assert_null(t->texts[1]);
	cr_assert_eq(t->own, LXE_OWN_TOLD);
	lxe_together_done(t);
	cr_assert_eq(t->own, LXE_OWN_DONE);
}

/* Is there nobody any more who could write to it? */
static bool is_closed(int pipe)
{
	struct pollfd p = { .fd = pipe, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

enum { DONE_BY_ANOTHER = 100, FAILED, LED }; /* and for how many */

/* What it asks to have closed later; and what is closed when it leads. Negative: nothing. */
struct pipes {
	int later, closed;
};

/* It sends its text, and when it has to lead, it does a turn. */
static pid_t other(const struct lxe_together *leader, const char *id8, enum lxe_together_kind kind,
	const char *text, const struct pipes *pipes)
{
	struct lxe_together t;
	pid_t pid = fork();
	int r;

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	/* They are descriptions', whichever process has them. */
	close(leader->lead.lock);
	for (size_t i = 0; i < LXE_TOGETHER_KINDS; i++)
		close(leader->lead.queues[i]);
	for (size_t i = 0; i < leader->n_later; i++)
		close(leader->later[i]);
	r = begin_with(&t, id8, kind, text, pipes->later);
	if (r == 0 && pipes->closed >= 0 && !is_closed(pipes->closed))
		r = FAILED;
	if (r == 0 && lxe_together_turn(&t)) {
		r = LED + (int)t.n;
		lxe_together_done(&t);
	}
	lxe_together_end(&t);
	_exit(r == 1 ? DONE_BY_ANOTHER : r < LED ? FAILED : r);
}

/* Has it sent its text? It waits for the answer. */
static bool waits(pid_t pid)
{
	char path[32], text[128];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	return sys_read_file(AT_FDCWD, path, text, sizeof(text)) > 0 && atoi(text) == SYS_recvmsg;
}

static void await_waiting(pid_t pid)
{
	for (int i = 0; i < 5000 && !waits(pid); i++)
		poll(NULL, 0, 2);
	cr_assert(waits(pid));
}

static pid_t waiting_with(const struct lxe_together *leader, const char *id8,
	enum lxe_together_kind kind, const char *text, const struct pipes *pipes)
{
	pid_t pid = other(leader, id8, kind, text, pipes);

	await_waiting(pid);
	return pid;
}

static pid_t waiting(const struct lxe_together *leader, const char *id8,
	enum lxe_together_kind kind, const char *text)
{
	return waiting_with(
		leader, id8, kind, text, &(struct pipes){ .later = -EBADF, .closed = -EBADF });
}

static int status_of(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void expect_turn(
	struct lxe_together *t, enum lxe_together_kind kind, size_t n, const char *text)
{
	cr_assert(lxe_together_turn(t));
	cr_assert_eq(t->kind, kind);
	cr_assert_eq(t->n, n);
	cr_assert_str_eq(t->texts[0], text);
}

Test(together, those_who_come_meanwhile_are_one_turn, .timeout = 30)
{
	struct lxe_together t;
	pid_t a, b;

	lead(&t, LXE_TOGETHER_SET);
	a = waiting(&t, "0000000a", LXE_TOGETHER_SET, FILTER("-A a\n"));
	b = waiting(&t, "0000000b", LXE_TOGETHER_SET, FILTER("-A b\n"));
	expect_turn(&t, LXE_TOGETHER_SET, 2, FILTER("-A a\n-A b\n"));
	lxe_together_done(&t);
	cr_expect_eq(status_of(a), DONE_BY_ANOTHER);
	cr_expect_eq(status_of(b), DONE_BY_ANOTHER);
	cr_expect_not(lxe_together_turn(&t));
	lxe_together_end(&t);
}

/* Whose close(2) takes a second: what it has sent is not read (SO_LINGER, socket(7)). */
static int slow_to_close(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct linger patience = { .l_onoff = 1, .l_linger = 1 };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	char bytes[65536] = { 0 };

	cr_assert_eq(bind(listening, (struct sockaddr *)&at, len), 0);
	cr_assert_eq(listen(listening, 1), 0);
	cr_assert_eq(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, len), 0);
	cr_assert_geq(accept4(listening, NULL, NULL, SOCK_CLOEXEC), 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &patience, sizeof(patience)), 0);
	return fd;
}

/* Another one's are done, who asks for it. */
static void undo_another(struct lxe_together *t, int later)
{
	pid_t pid = waiting_with(t, "0000000a", LXE_TOGETHER_UNDO, FILTER("-D a\n"),
		&(struct pipes){ .later = later, .closed = -EBADF });

	close(later);
	expect_turn(t, LXE_TOGETHER_UNDO, 1, FILTER("-D a\n"));
	lxe_together_done(t);
	cr_expect_eq(status_of(pid), DONE_BY_ANOTHER);
}

Test(together, what_is_to_be_closed_later_is_closed_before_the_next_one_leads, .timeout = 30)
{
	struct lxe_together t;
	int own[2], others[2], nexts[2];
	pid_t next;

	cr_assert(pipe2(own, O_CLOEXEC) == 0 && pipe2(others, O_CLOEXEC) == 0 &&
		  pipe2(nexts, O_CLOEXEC) == 0);
	cr_assert_eq(begin_with(&t, "00000001", LXE_TOGETHER_UNDO, FILTER("-D 1\n"), own[1]), 0);
	expect_turn(&t, LXE_TOGETHER_UNDO, 1, FILTER("-D 1\n"));
	lxe_together_done(&t);
	undo_another(&t, others[1]);
	/* The last one is closed first, and keeps the others waiting. */
	undo_another(&t, slow_to_close());
	next = waiting_with(&t, "0000000b", LXE_TOGETHER_UNDO, FILTER("-D b\n"),
		&(struct pipes){ .later = nexts[1], .closed = others[0] });
	close(nexts[1]);
	cr_expect_not(is_closed(own[0]));
	cr_expect_not(is_closed(others[0]));
	lxe_together_end(&t);
	cr_expect_eq(status_of(next), LED + 1);
	cr_expect(is_closed(own[0]));
	cr_expect(is_closed(nexts[0]));
}

Test(together, what_is_set_is_not_kept_by_what_was_deleted_nor_keeps_it_for_ever, .timeout = 30)
{
	struct lxe_together t;
	pid_t ends, begins;
	int turns = 0;

	lead(&t, LXE_TOGETHER_UNDO);
	ends = waiting(&t, "0000000a", LXE_TOGETHER_UNDO, FILTER("-D a\n"));
	do {
		begins = waiting(&t, "0000000b", LXE_TOGETHER_SET, FILTER("-A b\n"));
		cr_assert(lxe_together_turn(&t));
		lxe_together_done(&t);
		if (t.kind == LXE_TOGETHER_SET) {
			cr_assert_eq(status_of(begins), DONE_BY_ANOTHER);
			cr_assert(waits(ends));
		}
		cr_assert_lt(++turns, 5);
	} while (t.kind == LXE_TOGETHER_SET);
	cr_assert_gt(turns, 1);
	cr_assert_eq(status_of(ends), DONE_BY_ANOTHER);
	expect_turn(&t, LXE_TOGETHER_SET, 1, FILTER("-A b\n"));
	lxe_together_done(&t);
	cr_assert_eq(status_of(begins), DONE_BY_ANOTHER);
	lxe_together_end(&t);
}

Test(together, what_fails_for_all_each_does_alone, .timeout = 30)
{
	struct lxe_together t;
	pid_t a, b;

	lead(&t, LXE_TOGETHER_UNDO);
	a = waiting(&t, "0000000a", LXE_TOGETHER_UNDO, FILTER("-D a\n"));
	b = waiting(&t, "0000000b", LXE_TOGETHER_UNDO, FILTER("-D b\n"));
	expect_turn(&t, LXE_TOGETHER_UNDO, 2, FILTER("-D a\n-D b\n"));
	lxe_together_end(&t);
	cr_expect_eq(status_of(a), LED + 1);
	cr_expect_eq(status_of(b), LED + 1);
}

Test(together, one_that_is_not_whole_is_its_owners_matter, .timeout = 30)
{
	struct lxe_together t;
	pid_t bad, good;

	lead(&t, LXE_TOGETHER_SET);
	bad = waiting(&t, "0000000a", LXE_TOGETHER_SET, "*filter\n-A a\n");
	good = waiting(&t, "0000000b", LXE_TOGETHER_SET, FILTER("-A b\n"));
	expect_turn(&t, LXE_TOGETHER_SET, 2, FILTER("-A b\n"));
	lxe_together_done(&t);
	cr_expect_eq(status_of(good), DONE_BY_ANOTHER);
	lxe_together_end(&t);
	cr_expect_eq(status_of(bad), LED + 1);
}

Test(together, who_ends_hands_on_to_who_waits_first, .timeout = 30)
{
	struct lxe_together t;
	pid_t dead, first, second;

	lead(&t, LXE_TOGETHER_SET);
	dead = waiting(&t, "0000000a", LXE_TOGETHER_SET, FILTER("-A a\n"));
	first = waiting(&t, "0000000b", LXE_TOGETHER_SET, FILTER("-A b\n"));
	second = waiting(&t, "0000000c", LXE_TOGETHER_SET, FILTER("-A c\n"));
	kill(dead, SIGKILL);
	status_of(dead);
	lxe_together_end(&t);
	cr_expect_eq(status_of(first), LED + 2);
	cr_expect_eq(status_of(second), DONE_BY_ANOTHER);
}

Test(together, whose_leader_is_killed_leads, .timeout = 30)
{
	const struct lxe_together none = { .lead = LXE_LEAD_NONE };
	struct lxe_together t;
	pid_t leader, next;
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	leader = fork();
	cr_assert_geq(leader, 0);
	if (leader == 0) {
		if (begin(&t, "00000001", LXE_TOGETHER_SET, FILTER("-A 1\n")) == 0 &&
			write(ready[1], "", 1) == 1)
			pause();
		_exit(FAILED);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	next = waiting(&none, "0000000a", LXE_TOGETHER_SET, FILTER("-A a\n"));
	kill(leader, SIGKILL);
	status_of(leader);
	cr_expect_eq(status_of(next), LED + 1);
	/* What it has left does not keep the next one from leading. */
	lead(&t, LXE_TOGETHER_SET);
	next = waiting(&t, "0000000b", LXE_TOGETHER_SET, FILTER("-A b\n"));
	expect_turn(&t, LXE_TOGETHER_SET, 1, FILTER("-A b\n"));
	lxe_together_done(&t);
	cr_expect_eq(status_of(next), DONE_BY_ANOTHER);
	lxe_together_end(&t);
}

Test(together, one_that_is_killed_is_forgotten_when_no_leader_has_it_any_more, .timeout = 30)
{
	struct lxe_together t;
	pid_t killed, forgets;

	lead(&t, LXE_TOGETHER_SET);
	killed = waiting(&t, "0000000a", LXE_TOGETHER_SET, FILTER("-A a\n"));
	kill(killed, SIGKILL);
	status_of(killed);
	forgets = fork();
	cr_assert_geq(forgets, 0);
	if (forgets == 0) {
		close(t.lead.lock);
		for (size_t i = 0; i < LXE_TOGETHER_KINDS; i++)
			close(t.lead.queues[i]);
		lxe_together_forget(run, "0000000a");
		_exit(0);
	}
	await_waiting(forgets);
	expect_turn(&t, LXE_TOGETHER_SET, 2, FILTER("-A a\n"));
	poll(NULL, 0, 50);
	cr_assert_eq(waitpid(forgets, NULL, WNOHANG), 0, "the leader is not done with its texts");
	lxe_together_done(&t);
	cr_assert_eq(status_of(forgets), 0);
	lxe_together_end(&t);
}

Test(together, nothing_but_the_lock_is_left, .timeout = 30)
{
	struct lxe_together t;
	const struct dirent *entry;
	char path[64];
	DIR *dir;
	int n = 0;

	lead(&t, LXE_TOGETHER_SET);
	lxe_together_end(&t);
	snprintf(path, sizeof(path), "%s/network", run);
	dir = opendir(path);
	cr_assert_not_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	cr_assert_eq(n, 1);
}
