#include "cgroup/group.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/fd.h"

/* The number after `key` in a file of "key value" lines; 0 when it is not there. */
static uint64_t counter(int dir, const char *file, const char *key)
{
	uint64_t value;

	return lxe_cgroup_get_counter(dir, file, key, &value) < 0 ? 0 : value;
}

static uint64_t single(int dir, const char *file)
{
	char text[64];
	uint64_t value;

	if (sys_read_file(dir, file, text, sizeof(text)) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return lxe_parse_u64(text, 0, UINT64_MAX, &value) == 0 ? value : 0;
}

struct sum {
	const char *file, *key;
	uint64_t value;
};

static int add_child(int dir, const char *name, void *arg)
{
	LXE_AUTOCLOSE int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sum *sum = arg;

	if (fd >= 0)
		sum->value += counter(fd, sum->file, sum->key);
	return 0;
}

/*
 * v1, and until Linux 6.11 v2 of forks, counts what happens in the group whose process it happens to: ours,
 * or one of those below.
 */
static uint64_t counter_of_all(const struct lxe_group_dir *d, const char *file, const char *key)
{
	struct sum sum = { file, key, counter(d->fd, file, key) };

	if (d->accounts || (!d->v2 && d->leaves))
		lxe_cgroup_each_child(d->fd, add_child, &sum);
	return sum.value;
}

static void add_v1(const struct lxe_group_dir *d, struct lxe_cgroup_stats *s)
{
	if (d->controllers & LXE_CONTROLLER_MEMORY) {
		s->peak_memory = single(d->fd, "memory.max_usage_in_bytes");
		s->oom_kills = counter_of_all(d, "memory.oom_control", "oom_kill");
	}
	if (d->controllers & LXE_CONTROLLER_PIDS)
		s->pids_max_hits = counter_of_all(d, "pids.events", "max");
}

static void add_v2(const struct lxe_group_dir *d, struct lxe_cgroup_stats *s)
{
	if (d->controllers & LXE_CONTROLLER_MEMORY) {
		s->peak_memory = single(d->fd, "memory.peak"); /* Linux 5.19 */
		s->oom_kills = counter(d->fd, "memory.events", "oom_kill");
	}
	if (d->controllers & LXE_CONTROLLER_PIDS)
		s->pids_max_hits = counter_of_all(d, "pids.events", "max");
	/* These two are counted without the cpu controller as well. */
	s->user_us = counter(d->fd, "cpu.stat", "user_usec");
	s->system_us = counter(d->fd, "cpu.stat", "system_usec");
}

uint64_t lxe_cgroup_oom_kills(const struct lxe_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct lxe_group_dir *d = &cg->dir[i];

		if (d->controllers & LXE_CONTROLLER_MEMORY)
			return d->v2 ? counter(d->fd, "memory.events", "oom_kill")
				     : counter_of_all(d, "memory.oom_control", "oom_kill");
	}
	return 0;
}

uint64_t lxe_cgroup_pids_hits(const struct lxe_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct lxe_group_dir *d = &cg->dir[i];

		if (d->controllers & LXE_CONTROLLER_PIDS)
			return counter_of_all(d, "pids.events", "max");
	}
	return 0;
}

void lxe_cgroup_stats(const struct lxe_cgroup *cg, struct lxe_cgroup_stats *ret)
{
	struct lxe_cgroup_stats s = { 0 };

	for (size_t i = 0; i < cg->n; i++) {
		if (cg->dir[i].v2)
			add_v2(&cg->dir[i], &s);
		else
			add_v1(&cg->dir[i], &s);
	}
	*ret = s;
}
