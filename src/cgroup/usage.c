#include "cgroup/group.h"

#include <string.h>

#include "base/num.h"
#include "sys/fd.h"

static uint64_t single(int dir, const char *file)
{
	char text[64];
	uint64_t value;

	if (sys_read_file(dir, file, text, sizeof(text)) < 0)
		return LXE_CGROUP_UNKNOWN;
	text[strcspn(text, "\n")] = '\0';
	return lxe_parse_u64(text, 0, UINT64_MAX, &value) == 0 ? value : LXE_CGROUP_UNKNOWN;
}

/* The first line of cpu.stat, counted without the cpu controller as well: "usage_usec NUMBER". */
static uint64_t cpu_time(int dir)
{
	static const char key[] = "usage_usec ";
	char text[4096];
	uint64_t value;

	if (sys_read_file(dir, "cpu.stat", text, sizeof(text)) < 0 ||
		strncmp(text, key, sizeof(key) - 1) != 0)
		return LXE_CGROUP_UNKNOWN;
	text[strcspn(text, "\n")] = '\0';
	return lxe_parse_u64(text + sizeof(key) - 1, 0, UINT64_MAX, &value) == 0
		       ? value
		       : LXE_CGROUP_UNKNOWN;
}

static uint64_t cpu_of(const struct lxe_group_dir *d)
{
	uint64_t ns;

	if (d->v2)
		return cpu_time(d->fd);
	ns = single(d->fd, "cpuacct.usage");
	return ns == LXE_CGROUP_UNKNOWN ? ns : ns / 1000;
}

static void add(const struct lxe_group_dir *d, struct lxe_cgroup_usage *u)
{
	if (d->controllers & LXE_CONTROLLER_MEMORY) {
		u->memory = single(d->fd, d->v2 ? "memory.current" : "memory.usage_in_bytes");
		/* v2 counts it since Linux 5.19. */
		u->peak_memory = single(d->fd, d->v2 ? "memory.peak" : "memory.max_usage_in_bytes");
	}
	if (d->controllers & LXE_CONTROLLER_PIDS)
		u->pids = single(d->fd, "pids.current");
	if (d->v2 || (d->controllers & LXE_CONTROLLER_CPUACCT))
		u->cpu_us = cpu_of(d);
}

uint64_t lxe_cgroup_cpu_us(const struct lxe_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->dir[i].v2 || (cg->dir[i].controllers & LXE_CONTROLLER_CPUACCT))
			return cpu_of(&cg->dir[i]);
	return LXE_CGROUP_UNKNOWN;
}

void lxe_cgroup_usage(const struct lxe_cgroup *cg, struct lxe_cgroup_usage *ret)
{
	struct lxe_cgroup_usage u = { LXE_CGROUP_UNKNOWN, LXE_CGROUP_UNKNOWN, LXE_CGROUP_UNKNOWN,
		LXE_CGROUP_UNKNOWN };

	for (size_t i = 0; i < cg->n; i++)
		add(&cg->dir[i], &u);
	*ret = u;
}
