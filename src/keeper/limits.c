#include "keeper/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "keeper/delegation.h"
#include "keeper/keeper.h"
#include "store/rootless.h"
#include "sys/fd.h"

static uint64_t *rate_of(struct lxe_cgroup_io *io, enum lxe_io_key key)
{
	switch (key) {
	case LXE_IO_RBPS:
		return &io->rbps;
	case LXE_IO_WBPS:
		return &io->wbps;
	case LXE_IO_RIOPS:
		return &io->riops;
	case LXE_IO_WIOPS:
		return &io->wiops;
	}
	return &io->rbps;
}

static int find_device(const struct lxe_keeper *k, const struct lxe_io_limit *limit,
	struct lxe_cgroup_io *ret, struct lxe_err *err)
{
	char path[PATH_MAX];

	if (!limit->device)
		return lxe_cgroup_io_device(k->main->request.dirs.state, ret, err);
	if (lxe_format(path, sizeof(path), "%.*s", (int)limit->device_len, limit->device) < 0)
		return lxe_fail(err, -ENAMETOOLONG, "find a disk");
	return lxe_cgroup_io_device(path, ret, err);
}

/* What is said of one disk goes together, and the last word counts. */
static int add_io(struct lxe_keeper *k, const char *text, struct lxe_err *err)
{
	struct lxe_keeper_limits *all = &k->limits;
	struct lxe_cgroup_io device = { 0 }, *io = all->io;
	struct lxe_io_limit limit;
	int r = lxe_io_parse(text, &limit, err);

	if (r == 0)
		r = find_device(k, &limit, &device, err);
	if (r < 0)
		return lxe_fail(err, r, "--io");
	while (io < all->io + all->cgroup.n_io &&
		(io->major != device.major || io->minor != device.minor))
		io++;
	if (io == all->io + LXE_IO_DEVICES_MAX)
		return lxe_fail_msg(err, -E2BIG, "--io: more than %d disks", LXE_IO_DEVICES_MAX);
	if (io == all->io + all->cgroup.n_io) {
		*io = device;
		all->cgroup.n_io++;
	}
	*rate_of(io, limit.key) = limit.value;
	return 0;
}

static int refuse_disk(struct lxe_err *err)
{
	lxe_hint(err,
		"run as root, leave out --disk, or put the state directory on a filesystem of that size");
	return lxe_fail_msg(err, -EOPNOTSUPP,
		"--disk cannot be enforced for a sandbox that is kept: an ordinary user cannot mount a "
		"disk of its own for it");
}

int lxe_limits_prepare(struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_spec *spec = &k->main->spec;
	const struct lxe_limits *from = &spec->limits;
	int r = 0;

	k->limits.cgroup = (struct lxe_cgroup_limits){
		.memory = spec->memory,
		.cpus = from->cpus,
		.cpuset = from->cpuset,
		.io = k->limits.io,
		.cpu_time = from->cpu_time_ms,
		.pids_of_each = spec->pids && spec->pids_asked,
	};
	for (size_t i = 0; r == 0 && i < from->io.n; i++)
		r = add_io(k, from->io.v[i], err);
	if (r == 0 && from->disk && lxe_spec_on_disk(spec) && lxe_is_rootless())
		r = refuse_disk(err);
	if (r == 0)
		r = lxe_cgroup_host_need(k->cgroups, &k->limits.cgroup, err);
	if (r == -ENODEV && lxe_is_rootless())
		lxe_delegation_hint(lxe_cgroup_host_lacks(k->cgroups), err);
	return r;
}

void lxe_limits_count_from_here(struct lxe_process *p)
{
	/* The groups of the sandbox's own command are new. */
	if (p == p->keeper->main)
		return;
	p->limits.oom_before = lxe_cgroup_oom_kills(p->keeper->cgroup);
	p->limits.pids_before = lxe_cgroup_pids_hits(p->keeper->cgroup);
}

/* Whoever may not raise it may be root all the same: a container around us takes the capability away. */
static void hint_most(pid_t pid, const struct lxe_ulimit *u, struct lxe_err *err)
{
	struct rlimit now;

	if (prlimit(pid, (enum __rlimit_resource)u->resource, NULL, &now) < 0)
		return;
	lxe_hint(err,
		"at most %llu here: only the capability CAP_SYS_RESOURCE, on the host, raises it above that",
		(unsigned long long)now.rlim_max);
}

static int refuse_ulimit(pid_t pid, const struct lxe_ulimit *u, int r, struct lxe_err *err)
{
	char most[32] = "";

	if (r == -EPERM && u->resource == RLIMIT_NOFILE &&
		sys_read_file(AT_FDCWD, "/proc/sys/fs/nr_open", most, sizeof(most)) > 0)
		lxe_hint(err, "at most %.*s (sysctl fs.nr_open)", (int)strcspn(most, "\n"), most);
	else if (r == -EPERM)
		hint_most(pid, u, err);
	return lxe_fail(err, r, "set --ulimit %s", u->name);
}

static int set_ulimit(pid_t pid, const struct lxe_ulimit *u, struct lxe_err *err)
{
	struct rlimit got;

	if (prlimit(pid, (enum __rlimit_resource)u->resource, &u->limit, NULL) < 0)
		return refuse_ulimit(pid, u, -errno, err);
	if (prlimit(pid, (enum __rlimit_resource)u->resource, NULL, &got) < 0)
		return lxe_fail(err, -errno, "read back --ulimit %s", u->name);
	if (got.rlim_cur != u->limit.rlim_cur || got.rlim_max != u->limit.rlim_max)
		return lxe_fail_msg(err, -ERANGE, "--ulimit %s does not hold", u->name);
	return 0;
}

/* From outside, because the process has given up the privilege to raise any. */
int lxe_limits_of_process(const struct lxe_process *p, struct lxe_err *err)
{
	const struct lxe_strv *list = &p->spec.limits.ulimits;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		struct lxe_ulimit ulimit;

		r = lxe_ulimit_parse(list->v[i], &ulimit, err);
		if (r == 0)
			r = set_ulimit(p->pid, &ulimit, err);
	}
	return r;
}
