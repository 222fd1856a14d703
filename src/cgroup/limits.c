#include "cgroup/group.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "sys/fd.h"

/* /proc/swaps has a line of titles, and one for each area. */
static bool host_swaps(void)
{
	char text[4096];
	const char *end;

	if (sys_read_file(AT_FDCWD, "/proc/swaps", text, sizeof(text)) < 0)
		return true;
	end = strchr(text, '\n');
	return end && end[1];
}

/* Where the kernel does not account for swap, there must be none: memory would go there instead. */
static int without_swap_limit(const struct lxe_group_dir *d, struct lxe_err *err)
{
	uint64_t got;

	if (!host_swaps())
		return 0;
	/* v1: pages of a group that is not to swap stay, but for those that nobody can place. */
	if (!d->v2 && sys_write_file(d->fd, "memory.swappiness", "0") == 0 &&
		lxe_cgroup_get_number(d->fd, "memory.swappiness", &got) == 0 && got == 0)
		return 0;
	lxe_hint(err, "boot with swapaccount=1, or swapoff -a");
	return lxe_fail_msg(err, -EOPNOTSUPP,
		"the limit of memory cannot be enforced: this host swaps, and its kernel does not "
		"count it");
}

static int set_memory(const struct lxe_group_dir *d, uint64_t bytes, struct lxe_err *err)
{
	/* Without a limit on swap as well, the limit on memory would only push pages out. */
	const char *limit = d->v2 ? "memory.max" : "memory.limit_in_bytes";
	const char *swap = d->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int r;

	r = lxe_cgroup_set_number(d, limit, bytes, page, err);
	if (r < 0)
		return r;
	if (faccessat(d->fd, swap, F_OK, 0) < 0)
		return without_swap_limit(d, err);
	return lxe_cgroup_set_number(d, swap, d->v2 ? 0 : bytes, page, err);
}

static int set_all(
	const struct lxe_group_dir *d, const struct lxe_cgroup_limits *limits, struct lxe_err *err)
{
	int r = 0;

	if (limits->memory && (d->controllers & LXE_CONTROLLER_MEMORY))
		r = set_memory(d, limits->memory, err);
	if (r == 0 && limits->pids && (d->controllers & LXE_CONTROLLER_PIDS))
		r = lxe_cgroup_set_number(d, "pids.max", limits->pids, 1, err);
	if (r == 0 && limits->cpus && (d->controllers & LXE_CONTROLLER_CPU))
		r = lxe_cgroup_set_cpus(d, limits->cpus, err);
	if (r == 0 && limits->cpuset && (d->controllers & LXE_CONTROLLER_CPUSET))
		r = lxe_cgroup_set_cpuset(d, limits->cpuset, err);
	for (size_t i = 0; r == 0 && i < limits->n_io && (d->controllers & LXE_CONTROLLER_IO); i++)
		r = lxe_cgroup_set_io(d, &limits->io[i], err);
	return r;
}

int lxe_cgroup_limit(
	const struct lxe_cgroup *cg, const struct lxe_cgroup_limits *limits, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < cg->n; i++)
		r = set_all(&cg->dir[i], limits, err);
	return r;
}
