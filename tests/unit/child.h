/*
 * Checks that also work in processes that a test has forked: Criterion's own assertions report to
 * the runner from the worker only, and hang in its children.
 */
#ifndef LXE_TESTS_CHILD_H
#define LXE_TESTS_CHILD_H

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_PASSED 42

static pid_t child_worker; /* 0: this is a worker */

/* A failed check ends the test, or the child with a line on stderr. */
#define must(condition)                                                   \
	do {                                                              \
		if (!(condition))                                         \
			must_fail(__FILE__, __LINE__, #condition, errno); \
	} while (0)

static inline void must_fail(const char *file, int line, const char *what, int error)
{
	if (child_worker) {
		fprintf(stderr, "%s:%d: %s is false (errno: %s)\n", file, line, what,
			strerror(error));
		_exit(1);
	}
	cr_assert_fail("%s:%d: %s is false (errno: %s)", file, line, what, strerror(error));
}

static inline pid_t fork_child(void)
{
	pid_t self = getpid(), pid = fork();

	must(pid >= 0);
	if (pid == 0)
		child_worker = self;
	return pid;
}

/* Run it in a process, and so with what it mounts in a namespace, that ends. */
static inline void in_child(void (*body)(void))
{
	pid_t pid = fork_child();
	int status;

	if (pid == 0) {
		body();
		_exit(CHILD_PASSED);
	}
	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_PASSED);
}

#endif
