/* A run directory of a test's own with metrics slots in it, and processes that own some of them. */
#ifndef LXE_TESTS_SLOTS_FIXTURE_H
#define LXE_TESTS_SLOTS_FIXTURE_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "store/slots.h"
#include "sys/fd.h"
#include "sys/tree.h"

struct slots_run {
	char path[64], file[80];
};

static inline struct slots_run slots_run_new(void)
{
	struct slots_run run;

	snprintf(run.path, sizeof(run.path), "/dev/shm/lxe-test-slots-XXXXXX");
	must(mkdtemp(run.path) != NULL);
	snprintf(run.file, sizeof(run.file), "%s/slots", run.path);
	return run;
}

static inline void slots_run_end(const struct slots_run *run)
{
	must(sys_tree_remove(AT_FDCWD, run->path) == 0);
}

static inline struct lxe_slots *slots_open(const struct slots_run *run, enum lxe_slots_use use)
{
	struct lxe_slots *s = NULL;
	struct lxe_err err = { 0 };

	if (lxe_slots_open(&s, run->path, use, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	must(s != NULL);
	return s;
}

static inline struct lxe_slots *slots_own(const struct slots_run *run)
{
	return slots_open(run, LXE_SLOTS_OWN);
}

static inline struct lxe_slots *slots_look(const struct slots_run *run)
{
	return slots_open(run, LXE_SLOTS_LOOK);
}

/* A child that goes with the test that failed, whatever it waits for. */
static inline pid_t slots_fork(void)
{
	pid_t pid = fork_child();

	if (pid == 0)
		must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	return pid;
}

struct slots_search {
	const char *id; /* NULL: any */
	struct lxe_slot_view *view;
	int n;
};

static inline int slots_match(void *arg, const struct lxe_slot_view *view)
{
	struct slots_search *search = arg;

	if (search->id && strcmp(search->id, view->id) != 0)
		return 0;
	search->n++;
	if (search->view)
		*search->view = *view;
	return 0;
}

/* How many slots are in use, by that sandbox or by any; *view is the last of them. */
static inline int slots_find(struct lxe_slots *s, const char *id, struct lxe_slot_view *view)
{
	struct slots_search search = { id, view, 0 };

	must(lxe_slots_read(s, slots_match, &search) >= search.n);
	return search.n;
}

static inline int slots_seen(struct lxe_slots *s, struct lxe_slot_view *view)
{
	return slots_find(s, NULL, view);
}

/* A process that has a slot and waits to be killed. */
static inline pid_t slots_owner(const struct slots_run *run, const char *id, bool active)
{
	struct lxe_slot_handle h;
	int ends[2];
	char byte;
	pid_t pid;

	must(sys_pipe(ends) == 0);
	pid = slots_fork();
	if (pid == 0) {
		must(lxe_slot_reserve(slots_own(run), id, &h, NULL) == 0);
		must(!active || lxe_slot_activate(&h) == 0);
		close(ends[0]);
		close(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	must(read(ends[0], &byte, 1) == 0);
	close(ends[0]);
	return pid;
}

/* Reap as many children, which must all have passed. */
static inline void slots_children_passed(int n)
{
	for (int i = 0; i < n; i++) {
		int status;

		must(wait(&status) > 0);
		must(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_PASSED);
	}
}

#endif
