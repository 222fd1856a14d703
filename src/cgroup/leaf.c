#include "cgroup/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

struct lxe_cgroup_leaf {
	int dir;
	bool v2;
	int procs;
	int tasks[LXE_HIERARCHIES_MAX]; /* of the v1 groups to enter */
	size_t n_tasks;
	int memory; /* the directory that its use of memory is counted in; -EBADF: none of its own */
	int cpuacct; /* the same for processor time, where v2 does not count it */
	int pids;    /* and for forks that were refused */
	bool memory_v2, pids_v2;
};

static int open_tasks(struct lxe_cgroup_leaf *leaf, int dir)
{
	int fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	leaf->tasks[leaf->n_tasks++] = fd;
	return 0;
}

static int make_dir(const struct lxe_group_dir *d, const char *name)
{
	int fd;

	if (mkdirat(d->fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(d->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_dir(struct lxe_cgroup_leaf *leaf, const struct lxe_group_dir *d, const char *name)
{
	leaf->v2 = d->v2;
	leaf->dir = make_dir(d, name);
	if (leaf->dir < 0)
		return leaf->dir;
	leaf->procs = openat(leaf->dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	return leaf->procs < 0 ? -errno : 0;
}

/* Several controllers may be of one hierarchy. */
static int keep(int *ret, int fd)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret < 0 ? -errno : 0;
}

/* Its own group in a hierarchy that counts; what it enters there. */
static int open_counting(
	struct lxe_cgroup_leaf *leaf, const struct lxe_group_dir *d, const char *name)
{
	LXE_AUTOCLOSE int fd = make_dir(d, name);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && !d->v2 && !d->leaves)
		r = open_tasks(leaf, fd);
	if (r == 0 && (d->accounts & LXE_CONTROLLER_MEMORY)) {
		leaf->memory_v2 = d->v2;
		r = keep(&leaf->memory, fd);
	}
	if (r == 0 && (d->accounts & LXE_CONTROLLER_PIDS)) {
		leaf->pids_v2 = d->v2;
		r = keep(&leaf->pids, fd);
	}
	if (r == 0 && (d->accounts & LXE_CONTROLLER_CPUACCT))
		r = keep(&leaf->cpuacct, fd);
	return r;
}

static int open_all(struct lxe_cgroup_leaf *leaf, const struct lxe_cgroup *cg, const char *name,
	struct lxe_err *err)
{
	int r;

	for (size_t i = 0; i < cg->n; i++) {
		const struct lxe_group_dir *d = &cg->dir[i];

		r = d->leaves ? open_dir(leaf, d, name) : 0;
		if (r == 0 && d->accounts)
			r = open_counting(leaf, d, name);
		if (r == 0 && !d->v2 && (d->leaves || !d->accounts))
			r = open_tasks(leaf, d->leaves ? leaf->dir : d->fd);
		if (r < 0)
			return lxe_fail(err, r, "make cgroup '%s/%s'", d->path, name);
	}
	return 0;
}

static int leaf_open(struct lxe_cgroup_leaf **ret, const struct lxe_cgroup *cg, const char *name,
	struct lxe_err *err)
{
	struct lxe_cgroup_leaf *leaf = calloc(1, sizeof(*leaf));
	int r;

	if (!leaf)
		return lxe_fail(err, -ENOMEM, "make cgroup '%s'", name);
	leaf->dir = leaf->procs = leaf->memory = leaf->cpuacct = leaf->pids = -EBADF;
	r = open_all(leaf, cg, name, err);
	if (r < 0) {
		lxe_cgroup_leaf_free(leaf);
		return r;
	}
	*ret = leaf;
	return 0;
}

int lxe_cgroup_leaf_init(struct lxe_cgroup_leaf **ret, struct lxe_cgroup *cg, struct lxe_err *err)
{
	return leaf_open(ret, cg, "init", err);
}

int lxe_cgroup_leaf_exec(struct lxe_cgroup_leaf **ret, struct lxe_cgroup *cg, unsigned int number,
	struct lxe_err *err)
{
	char name[16];
	int r = lxe_format(name, sizeof(name), "x%u", number);

	return r < 0 ? r : leaf_open(ret, cg, name, err);
}

void lxe_cgroup_leaf_free(struct lxe_cgroup_leaf *leaf)
{
	if (!leaf)
		return;
	for (size_t i = 0; i < leaf->n_tasks; i++)
		lxe_close(leaf->tasks[i]);
	lxe_close(leaf->procs);
	lxe_close(leaf->dir);
	lxe_close(leaf->memory);
	lxe_close(leaf->cpuacct);
	lxe_close(leaf->pids);
	free(leaf);
}

int lxe_cgroup_leaf_fork_fd(const struct lxe_cgroup_leaf *leaf)
{
	return leaf->v2 ? leaf->dir : -EBADF;
}

int lxe_cgroup_leaf_enter(const struct lxe_cgroup_leaf *leaf)
{
	for (size_t i = 0; i < leaf->n_tasks; i++) {
		ssize_t n;

		do {
			n = write(leaf->tasks[i], "0", 1);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
	}
	return 0;
}

int lxe_cgroup_leaf_procs_fd(const struct lxe_cgroup_leaf *leaf)
{
	return leaf->procs;
}

int lxe_cgroup_leaf_kill(const struct lxe_cgroup_leaf *leaf)
{
	return leaf->dir < 0 ? -ENODEV : lxe_cgroup_kill_tree(leaf->dir);
}

uint64_t lxe_cgroup_leaf_oom_kills(const struct lxe_cgroup_leaf *leaf)
{
	const char *file = leaf->memory_v2 ? "memory.events" : "memory.oom_control";
	uint64_t value;

	if (leaf->memory < 0 || lxe_cgroup_get_counter(leaf->memory, file, "oom_kill", &value) < 0)
		return LXE_CGROUP_UNKNOWN;
	return value;
}

uint64_t lxe_cgroup_leaf_pids_hits(const struct lxe_cgroup_leaf *leaf, uint64_t limit)
{
	uint64_t value;

	if (leaf->pids < 0 || lxe_cgroup_get_counter(leaf->pids, "pids.events", "max", &value) < 0)
		return LXE_CGROUP_UNKNOWN;
	/* The file that came with the other way of counting tells which one it is. */
	if (value || !leaf->pids_v2 || faccessat(leaf->pids, "pids.events.local", F_OK, 0) < 0)
		return value;
	if (lxe_cgroup_get_number(leaf->pids, "pids.peak", &value) < 0 || value < limit / 2)
		return LXE_CGROUP_UNKNOWN;
	return 1;
}

uint64_t lxe_cgroup_leaf_cpu_us(const struct lxe_cgroup_leaf *leaf)
{
	uint64_t value;

	if (leaf->v2)
		return lxe_cgroup_get_counter(leaf->dir, "cpu.stat", "usage_usec", &value) < 0
			       ? LXE_CGROUP_UNKNOWN
			       : value;
	if (leaf->cpuacct < 0 || lxe_cgroup_get_number(leaf->cpuacct, "cpuacct.usage", &value) < 0)
		return LXE_CGROUP_UNKNOWN;
	return value / 1000;
}

int lxe_cgroup_leaf_signal(const struct lxe_cgroup_leaf *leaf, int signal)
{
	return lxe_cgroup_signal_tree(leaf->dir, signal);
}
