/*
 * A sandbox's groups on this machine, for the tests of cgroup/: made, filled, and removed with an
 * assertion that nothing is left. Mode 0 is the machine as it is, mode 1 the same without v2.
 */
#ifndef LXE_TESTS_CGROUP_FIXTURE_H
#define LXE_TESTS_CGROUP_FIXTURE_H

#include "cgroup/cgroup.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/hierarchy.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define DEADLINE_MS 10000

struct fixture {
	struct lxe_cgroup_host *host;
	struct lxe_cgroup *cg;
	struct lxe_cgroup_leaf *leaf;
	struct lxe_strv paths;
	struct lxe_err err;
	char name[64];
};

/* A copy of this machine's mountinfo with the lines of one cgroup version only. */
static inline struct lxe_cgroup_host *host_with(
	const char *unwanted, int expected, struct lxe_err *err)
{
	struct lxe_cgroup_host *host = NULL;
	char path[] = "/tmp/lxe-mountinfo-XXXXXX", line[4096];
	FILE *from = fopen("/proc/self/mountinfo", "re");
	FILE *to = fdopen(mkostemp(path, O_CLOEXEC), "w");
	int r;

	cr_assert(from && to);
	while (fgets(line, sizeof(line), from))
		if (!strstr(line, unwanted))
			fputs(line, to);
	fclose(from);
	fclose(to);
	r = lxe_cgroup_host_open(&host, path, "/proc/self/cgroup", err);
	unlink(path);
	cr_assert_eq(r, expected, "host: %d %s", r, err->msg);
	return host;
}

static inline bool has_v1(void)
{
	struct lxe_cgroup_host *host = NULL;
	bool v1;

	cr_assert_eq(
		lxe_cgroup_host_open(&host, "/proc/self/mountinfo", "/proc/self/cgroup", NULL), 0);
	v1 = lxe_cgroup_host_mode(host) != LXE_CGROUP_V2;
	lxe_cgroup_host_free(host);
	return v1;
}

/* The ways to run: as this machine is, and on a v1 or hybrid machine without v2. */
static inline int modes(void)
{
	return has_v1() ? 2 : 1;
}

static inline void set_up(struct fixture *f, int mode, uint64_t memory, uint64_t pids)
{
	static unsigned int serial;
	struct lxe_cgroup_limits limits = { .memory = memory, .pids = pids };

	memset(f, 0, sizeof(*f));
	f->host = host_with(mode ? " - cgroup2 " : " - none-such ", 0, &f->err);
	snprintf(f->name, sizeof(f->name), "lxe-test%d-%u", getpid(), serial++);
	cr_assert_eq(lxe_cgroup_paths(f->host, f->name, &f->paths), 0);
	cr_assert_eq(lxe_cgroup_create(&f->cg, f->host, f->name, &limits, &f->err), 0, "create: %s",
		f->err.msg);
	cr_assert_eq(lxe_cgroup_leaf_exec(&f->leaf, f->cg, 0, &f->err), 0, "leaf: %s", f->err.msg);
}

static inline int destroy_all(struct fixture *f, const struct lxe_cgroup_reaper *reaper)
{
	int first = 0;

	for (size_t i = f->paths.n; i > 0; i--) {
		int r = lxe_cgroup_destroy(
			f->host, f->paths.v[i - 1], DEADLINE_MS, reaper, &f->err);

		first = first ? first : r;
	}
	return first;
}

static inline void tear_down(struct fixture *f)
{
	cr_expect_eq(destroy_all(f, NULL), 0, "destroy: %s", f->err.msg);
	for (size_t i = 0; i < f->paths.n; i++)
		cr_expect(access(f->paths.v[i], F_OK) < 0, "'%s' is left", f->paths.v[i]);
	lxe_cgroup_leaf_free(f->leaf);
	lxe_cgroup_free(f->cg);
	lxe_strv_release(&f->paths);
	lxe_cgroup_host_free(f->host);
}

/* A process in the leaf; the child gets 0. */
static inline pid_t spawn(const struct fixture *f)
{
	pid_t pid = sys_fork_into(lxe_cgroup_leaf_fork_fd(f->leaf));

	cr_assert(pid >= 0, "fork into the leaf: %d", pid);
	if (pid == 0 && lxe_cgroup_leaf_enter(f->leaf) < 0)
		_exit(99);
	return pid;
}

_Noreturn static inline void stay(void)
{
	for (;;)
		pause();
}

static inline bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, DEADLINE_MS) == 1;
}

#endif
