/*
 * The gate and its samples on real programs that run on real ptys.
 */
#include "terminal/gate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/pty.h"

#define DEADLINE_MS 10000

struct session {
	struct lxe_pty pty;
	int procs; /* stands for cgroup.procs */
	pid_t pid;
};

/* The command's tree as /proc shows it, because here it has no cgroup of its own. */
static void list_tree(int procs, pid_t pid)
{
	char path[64], line[64], kids[512] = "";
	int n = snprintf(line, sizeof(line), "%d\n", pid);
	char *p = kids;

	cr_assert_eq(sys_write(procs, line, (size_t)n), n);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	if (sys_read_file(AT_FDCWD, path, kids, sizeof(kids)) <= 0)
		return;
	while (*p) {
		pid_t child = (pid_t)strtol(p, &p, 10);

		if (child <= 0)
			break;
		list_tree(procs, child);
	}
}

static void in_child(const struct session *s, void (*run)(void))
{
	signal(SIGTTOU, SIG_DFL);
	if (lxe_pty_become_controlling(s->pty.slave) < 0)
		_exit(120);
	for (int i = 0; i < 3; i++)
		dup2(s->pty.slave, i);
	sys_close_from(3, NULL, 0);
	run();
	_exit(121);
}

static struct session start(void (*run)(void))
{
	struct session s = { .procs = sys_memfd("lxe-procs", 0) };

	cr_assert_eq(lxe_pty_open(&s.pty, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	s.pid = fork();
	cr_assert_geq(s.pid, 0);
	if (s.pid == 0)
		in_child(&s, run);
	return s;
}

static void stop(struct session *s)
{
	int status;

	/* its session leader's end hangs up the rest */
	kill(s->pid, SIGKILL);
	cr_assert_eq(sys_wait(s->pid, &status), 0);
	lxe_pty_release(&s->pty);
	close(s->procs);
}

static bool look(struct session *s, struct lxe_gate *gate)
{
	struct lxe_gate_process found[16];
	struct lxe_gate_sample sample = { .processes = found };
	int n;

	cr_assert_eq(ftruncate(s->procs, 0), 0);
	cr_assert_eq(lseek(s->procs, 0, SEEK_SET), 0);
	list_tree(s->procs, s->pid);
	n = lxe_gate_sample_take(s->pty.master, s->procs, &sample.canonical, found, 16);
	cr_assert_geq(n, 0);
	sample.now_ms = sys_now_ms();
	sample.n_processes = (size_t)n;
	return lxe_gate_feed(gate, &sample);
}

/*
 * When the gate opened, in ms; LXE_GATE_CAP_MS when it had not done so within `limit`. Waits on the
 * slave's output in between, which must not come: output would open the gate in the relay.
 */
static uint64_t opens_after(struct session *s, uint64_t limit)
{
	uint64_t begin = sys_now_ms(), now = begin;
	struct lxe_gate *gate = NULL;
	bool open = false;

	cr_assert_eq(lxe_gate_new(&gate, begin), 0);
	while (!open && now - begin < limit) {
		struct pollfd p = { .fd = s->pty.master, .events = POLLIN };

		cr_assert_eq(poll(&p, 1, (int)lxe_gate_next_ms(gate, now)), 0,
			"the program has printed");
		open = look(s, gate);
		now = sys_now_ms();
	}
	lxe_gate_free(gate);
	return open ? now - begin : LXE_GATE_CAP_MS;
}

static void expect_opens(void (*run)(void))
{
	struct session s = start(run);
	uint64_t ms = opens_after(&s, DEADLINE_MS);

	cr_assert_lt(ms, 2000, "opened after %d ms only", (int)ms);
	stop(&s);
}

static void expect_shut(void (*run)(void))
{
	struct session s = start(run);
	uint64_t ms = opens_after(&s, 400);

	cr_assert_eq(ms, LXE_GATE_CAP_MS, "opened after %d ms", (int)ms);
	stop(&s);
}

static void run_cat(void)
{
	execlp("cat", "cat", (char *)NULL);
}

static void run_cat_behind_sh(void)
{
	execlp("sh", "sh", "-c", "cat | wc -c", (char *)NULL);
}

static void run_cat_of_dev_tty(void)
{
	execlp("sh", "sh", "-c", "exec cat /dev/tty </dev/null", (char *)NULL);
}

static void run_silent_bash(void)
{
	setenv("PS1", "", 1);
	execlp("bash", "bash", "--norc", "--noediting", "-i", (char *)NULL);
}

static void run_silent_readline_bash(void)
{
	setenv("PS1", "", 1);
	setenv("TERM", "dumb", 1);
	execlp("bash", "bash", "--norc", "-i", (char *)NULL);
}

static void run_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(0, &set);
	select(1, &set, NULL, NULL, NULL);
}

static void run_poll_in_turns(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };

	while (poll(&p, 1, 200) == 0)
		;
}

static void run_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(ep, EPOLL_CTL_ADD, 0, &e);
	epoll_wait(ep, &e, 1, -1);
}

static void run_busy(void)
{
	for (volatile unsigned long i = 0;; i++)
		;
}

static void run_pause(void)
{
	for (;;)
		pause();
}

/* select(2) as a way to sleep */
static void run_select_sleep(void)
{
	struct timeval forever = { .tv_sec = 100 };

	select(0, NULL, NULL, NULL, &forever);
}

static void run_pipe_reader(void)
{
	int ends[2];
	char c;

	if (pipe(ends) == 0)
		(void)!read(ends[0], &c, 1);
}

/* The terminal is somebody else's: its own group is not the foreground one. */
static void run_background_poll(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		/* The hang-up at the end of the test makes the terminal readable. */
		run_select();
		_exit(0);
	}
	setpgid(pid, pid);
	run_pause();
}

Test(gate_sample, opens_for_cat)
{
	expect_opens(run_cat);
}

Test(gate_sample, opens_for_a_pipeline)
{
	expect_opens(run_cat_behind_sh);
}

Test(gate_sample, opens_for_a_reader_of_dev_tty)
{
	expect_opens(run_cat_of_dev_tty);
}

Test(gate_sample, opens_for_a_shell_without_a_prompt)
{
	expect_opens(run_silent_bash);
}

Test(gate_sample, opens_for_select)
{
	expect_opens(run_select);
}

Test(gate_sample, opens_for_poll_with_a_timeout)
{
	expect_opens(run_poll_in_turns);
}

Test(gate_sample, opens_for_epoll)
{
	expect_opens(run_epoll);
}

Test(gate_sample, stays_shut_for_a_busy_program)
{
	expect_shut(run_busy);
}

Test(gate_sample, stays_shut_for_a_program_that_waits_for_something_else)
{
	expect_shut(run_pause);
	expect_shut(run_select_sleep);
	expect_shut(run_pipe_reader);
}

Test(gate_sample, stays_shut_for_the_background)
{
	expect_shut(run_background_poll);
}

/* With line editing bash leaves canonical mode, and some versions print a sequence as well. */
Test(gate_sample, opens_for_a_line_editor)
{
	struct session s = start(run_silent_readline_bash);
	uint64_t begin = sys_now_ms();
	struct lxe_gate *gate = NULL;
	bool open = false;

	cr_assert_eq(lxe_gate_new(&gate, begin), 0);
	while (!open && sys_now_ms() - begin < 2000) {
		struct pollfd p = { .fd = s.pty.master, .events = POLLIN };

		open = poll(&p, 1, (int)lxe_gate_next_ms(gate, sys_now_ms())) == 1 ||
		       look(&s, gate);
	}
	cr_assert(open);
	lxe_gate_free(gate);
	stop(&s);
}

Test(gate_sample, sample_names_the_foreground_group_only)
{
	struct session s = start(run_cat);
	struct lxe_gate_process found[4];
	uint64_t deadline = sys_now_ms() + DEADLINE_MS;
	bool canonical = false;
	int n = 0;

	/* ourselves, pid 1 and nonsense are no part of it */
	cr_assert_geq(dprintf(s.procs, "1\n%d\n%d\nnonsense\n4194304\n", getpid(), s.pid), 0);
	while (sys_now_ms() < deadline) {
		n = lxe_gate_sample_take(s.pty.master, s.procs, &canonical, found, 4);
		if (n == 1 && found[0].wait == LXE_GATE_READ)
			break;
	}
	cr_assert_eq(n, 1);
	cr_assert_eq(found[0].wait, LXE_GATE_READ);
	cr_assert_eq(found[0].pid, s.pid);
	cr_assert(canonical);
	cr_assert_eq(lxe_gate_sample_take(s.pty.master, s.procs, &canonical, found, 0), 0);
	stop(&s);
}

Test(gate_sample, sample_without_a_terminal_or_a_cgroup)
{
	struct lxe_gate_process found[4];
	struct lxe_pty pty;
	bool canonical = false;
	int ends[2];

	cr_assert_eq(lxe_pty_open(&pty, -1, geteuid(), getegid(), 0, 0, NULL), 0);
	cr_assert_eq(lxe_gate_sample_take(pty.master, -1, &canonical, found, 4), 0);
	cr_assert(canonical);
	lxe_pty_release(&pty);
	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(lxe_gate_sample_take(ends[0], -1, &canonical, found, 4), -ENOTTY);
	close(ends[0]);
	close(ends[1]);
}
