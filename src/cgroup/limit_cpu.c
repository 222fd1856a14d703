#include "cgroup/group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fd.h"

#define PERIOD_US 100000 /* what the kernel begins with */
#define HUNDREDTH_US (PERIOD_US / 100)
#define LIST_MAX 4096

/* More than there is would be no limit at all. */
static int check_cpus(uint64_t cpus, struct lxe_err *err)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (online <= 0 || cpus <= (uint64_t)online * 100)
		return 0;
	lxe_hint(err, "at most %ld", online);
	return lxe_fail_msg(err, -ERANGE,
		"--cpus %" PRIu64 ".%02" PRIu64 " cannot be enforced: this host has fewer CPUs",
		cpus / 100, cpus % 100);
}

static int set_v1(const struct lxe_group_dir *d, uint64_t quota, struct lxe_err *err)
{
	int r = lxe_cgroup_set_number(d, "cpu.cfs_period_us", PERIOD_US, 1, err);

	return r < 0 ? r : lxe_cgroup_set_number(d, "cpu.cfs_quota_us", quota, 1, err);
}

/* "QUOTA PERIOD" */
static int set_v2(const struct lxe_group_dir *d, uint64_t quota, struct lxe_err *err)
{
	char wanted[64], got[64];
	ssize_t n;
	int r;

	snprintf(wanted, sizeof(wanted), "%" PRIu64 " %d", quota, PERIOD_US);
	r = sys_write_file(d->fd, "cpu.max", wanted);
	if (r < 0)
		return lxe_fail(err, r, "set '%s/cpu.max' to '%s'", d->path, wanted);
	n = sys_read_file(d->fd, "cpu.max", got, sizeof(got));
	if (n < 0)
		return lxe_fail(err, (int)n, "read back '%s/cpu.max'", d->path);
	got[strcspn(got, "\n")] = '\0';
	if (strcmp(wanted, got) == 0)
		return 0;
	return lxe_fail_msg(err, -ERANGE,
		"cgroup limit '%s/cpu.max' does not hold: asked for '%s', it is '%s'", d->path,
		wanted, got);
}

int lxe_cgroup_set_cpus(const struct lxe_group_dir *d, uint64_t cpus, struct lxe_err *err)
{
	int r = check_cpus(cpus, err);

	if (r < 0)
		return r;
	return d->v2 ? set_v2(d, cpus * HUNDREDTH_US, err) : set_v1(d, cpus * HUNDREDTH_US, err);
}

static int read_list(int dir, const char *file, char list[LIST_MAX])
{
	ssize_t n = sys_read_file(dir, file, list, LIST_MAX);

	if (n < 0)
		return (int)n;
	list[strcspn(list, "\n")] = '\0';
	return 0;
}

int lxe_cpuset_inherit(int parent, int dir)
{
	static const char *const files[][2] = {
		{ "cpuset.effective_cpus", "cpuset.cpus" },
		{ "cpuset.effective_mems", "cpuset.mems" },
	};
	char list[LIST_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = read_list(parent, files[i][0], list);
		if (r == 0)
			r = sys_write_file(dir, files[i][1], list);
	}
	return r;
}

static int refuse_cpuset(const char *wanted, const char *have, struct lxe_err *err)
{
	if (have[0])
		lxe_hint(err, "there are: %.200s", have);
	return lxe_fail_msg(err, -ERANGE,
		"--cpuset %.200s cannot be enforced: these CPUs are not all there", wanted);
}

/* v1 refuses what its parent has not; v2 takes it, and goes on with what there is. */
int lxe_cgroup_set_cpuset(const struct lxe_group_dir *d, const char *list, struct lxe_err *err)
{
	const char *effective = d->v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus";
	char have[LIST_MAX] = "", got[LIST_MAX];
	int r;

	/* It has what its parent has, until it is told. */
	read_list(d->fd, effective, have);
	r = sys_write_file(d->fd, "cpuset.cpus", list);
	if (r == -EINVAL || r == -EACCES || r == -ERANGE || r == -ENOSPC)
		return refuse_cpuset(list, have, err);
	if (r < 0)
		return lxe_fail(err, r, "set '%s/cpuset.cpus' to %.200s", d->path, list);
	r = read_list(d->fd, effective, got);
	if (r < 0)
		return lxe_fail(err, r, "read back '%s/%s'", d->path, effective);
	return strcmp(got, list) == 0 ? 0 : refuse_cpuset(list, have, err);
}
