/* What is started apart is nobody's child here, and nobody hears of it. */
#include "sys/apart.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t heard;

static void hear(int signal)
{
	(void)signal;
	heard++;
}

struct seen {
	pid_t pid, parent;
	int end; /* of a pipe: closed in the other process alone */
	sigset_t mask;
};

static int look(void *arg)
{
	struct seen *s = arg;

	s->pid = getpid();
	s->parent = getppid();
	sigprocmask(SIG_BLOCK, NULL, &s->mask);
	close(s->end);
	return 3;
}

Test(apart, runs_in_a_process_of_its_own_that_nobody_hears_of)
{
	sigset_t before = { 0 }, after = { 0 };
	struct seen s = { 0 };
	int ends[2];

	signal(SIGCHLD, hear);
	cr_assert_eq(pipe(ends), 0);
	s.end = ends[1];
	sigprocmask(SIG_BLOCK, NULL, &before);
	cr_assert_eq(sys_call_apart(look, &s), 0);
	sigprocmask(SIG_BLOCK, NULL, &after);
	cr_assert_neq(s.pid, getpid());
	cr_assert_eq(s.parent, getpid());
	cr_assert(sigismember(&s.mask, SIGUSR1) && sigismember(&s.mask, SIGCHLD));
	cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0);
	cr_assert_eq(heard, 0);
	cr_assert_eq(waitpid(-1, NULL, __WALL), -1);
	cr_assert_eq(errno, ECHILD);
	cr_assert_eq(write(ends[1], "", 1), 1, "our descriptor is still open");
	close(ends[0]);
	close(ends[1]);
}

/* Before _exit(2) the sanitizer looks at the stack, and takes one that is not a thread's for wrong. */
__attribute__((no_sanitize("address"))) static int start_grandchild(void *arg)
{
	int *ends = arg;
	pid_t pid = fork();

	if (pid == 0) {
		char c;

		close(ends[1]);
		_exit(read(ends[0], &c, 1) == 0 ? 0 : 1);
	}
	return pid < 0;
}

Test(apart, what_it_starts_is_no_child_and_lives_on)
{
	int ends[2], back[2];
	struct pollfd polled;

	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(pipe(back), 0);
	cr_assert_eq(sys_call_apart(start_grandchild, ends), 0);
	close(back[1]);
	cr_assert_eq(waitpid(-1, NULL, __WALL), -1);
	cr_assert_eq(errno, ECHILD);
	/* It holds the other end of `back` until it hears the end of `ends`. */
	polled = (struct pollfd){ .fd = back[0], .events = POLLIN };
	cr_assert_eq(poll(&polled, 1, 50), 0);
	close(ends[1]);
	cr_assert_eq(poll(&polled, 1, 10000), 1);
	close(ends[0]);
	close(back[0]);
}

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

static int wait_for_lock(void *arg)
{
	int *end = arg;
	pid_t self = getpid();

	cr_assert_eq(write(*end, &self, sizeof(self)), sizeof(self));
	return pthread_mutex_lock(&taken);
}

static void *call_apart(void *arg)
{
	sys_call_apart(wait_for_lock, arg);
	return NULL;
}

/* As when a thread of the program's is inside malloc(3): nobody is left to let go of it. */
static void hold_the_lock(int *end)
{
	pthread_t thread;

	pthread_mutex_lock(&taken);
	if (pthread_create(&thread, NULL, call_apart, end) == 0)
		pthread_join(thread, NULL);
	_exit(1);
}

Test(apart, it_does_not_outlive_a_program_that_is_killed_with_a_lock_that_it_waits_for)
{
	struct pollfd polled = { .events = POLLIN };
	int ends[2], ended;
	pid_t pid, apart;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		hold_the_lock(&ends[1]);
	close(ends[1]);
	cr_assert_eq(read(ends[0], &apart, sizeof(apart)), sizeof(apart));
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	polled.fd = ends[0];
	ended = poll(&polled, 1, 10000);
	if (ended != 1)
		kill(apart, SIGKILL);
	cr_assert_eq(ended, 1, "it has the other end still");
	close(ends[0]);
}

Test(apart, a_program_that_ignores_its_children_is_served_as_well)
{
	struct seen s = { .end = -1 };

	signal(SIGCHLD, SIG_IGN);
	cr_assert_eq(sys_call_apart(look, &s), 0);
	cr_assert_neq(s.pid, 0);
}
