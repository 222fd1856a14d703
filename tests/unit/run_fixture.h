/*
 * A directory of the test's own, `run`, that is made before it and removed after it. Each test is a
 * process of its own, and so is its copy of the name.
 */
#ifndef LXE_TESTS_RUN_FIXTURE_H
#define LXE_TESTS_RUN_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char run[] = "/tmp/lxe-test-run-XXXXXX";

static inline void make_run(void)
{
	cr_assert_not_null(mkdtemp(run));
}

static inline void remove_run(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", run);
	cr_assert_eq(system(command), 0);
}

#endif
