#include "cgroup/group.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/fd.h"

/* The number after `key` in a file of "key value" lines; 0 when it is not there. */
static uint64_t counter(int dir, const char *file, const char *key)
{
	char text[4096], *rest = text, *line;
	uint64_t value;

	if (sys_read_file(dir, file, text, sizeof(text)) < 0)
		return 0;
	while ((line = strsep(&rest, "\n"))) {
		char *word = strsep(&line, " ");

		if (line && strcmp(word, key) == 0)
			return lxe_parse_u64(line, 0, UINT64_MAX, &value) == 0 ? value : 0;
	}
	return 0;
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

static int add_pids_hits(int dir, const char *name, void *arg)
{
	LXE_AUTOCLOSE int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		*(uint64_t *)arg += counter(fd, "pids.events", "max");
	return 0;
}

/*
 * v1 counts what happens in the group whose process it happens to. For memory that is ours, because
 * the groups below exist in one hierarchy only; for pids it is one of those when they exist there.
 */
static void add_v1(const struct lxe_group_dir *d, struct lxe_cgroup_stats *s)
{
	if (d->controllers & LXE_CONTROLLER_MEMORY) {
		s->peak_memory = single(d->fd, "memory.max_usage_in_bytes");
		s->oom_kills = counter(d->fd, "memory.oom_control", "oom_kill");
	}
	if (d->controllers & LXE_CONTROLLER_PIDS) {
		s->pids_max_hits = counter(d->fd, "pids.events", "max");
		if (d->leaves)
			lxe_cgroup_each_child(d->fd, add_pids_hits, &s->pids_max_hits);
	}
}

static void add_v2(const struct lxe_group_dir *d, struct lxe_cgroup_stats *s)
{
	if (d->controllers & LXE_CONTROLLER_MEMORY) {
		s->peak_memory = single(d->fd, "memory.peak"); /* Linux 5.19 */
		s->oom_kills = counter(d->fd, "memory.events", "oom_kill");
	}
	if (d->controllers & LXE_CONTROLLER_PIDS)
		s->pids_max_hits = counter(d->fd, "pids.events", "max");
	/* These two are counted without the cpu controller as well. */
	s->user_us = counter(d->fd, "cpu.stat", "user_usec");
	s->system_us = counter(d->fd, "cpu.stat", "system_usec");
}

uint64_t lxe_cgroup_oom_kills(const struct lxe_cgroup *cg)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->dir[i].controllers & LXE_CONTROLLER_MEMORY)
			return counter(cg->dir[i].fd,
				cg->dir[i].v2 ? "memory.events" : "memory.oom_control", "oom_kill");
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
