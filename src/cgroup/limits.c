#include "cgroup/group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "sys/fd.h"

static int read_number(int dir, const char *file, uint64_t *ret)
{
	char text[64];
	ssize_t n = sys_read_file(dir, file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "max") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return lxe_parse_u64(text, 0, UINT64_MAX, ret);
}

/* The kernel counts memory in pages and rounds down; nothing else may differ. */
static bool holds(uint64_t wanted, uint64_t got, uint64_t unit)
{
	return got == wanted || got == wanted - wanted % unit;
}

static int set_limit(const struct lxe_group_dir *d, const char *file, uint64_t value, uint64_t unit,
	struct lxe_err *err)
{
	char text[32];
	uint64_t got;
	int r;

	snprintf(text, sizeof(text), "%" PRIu64, value);
	r = sys_write_file(d->fd, file, text);
	if (r < 0)
		return lxe_fail(err, r, "set '%s/%s' to %s", d->path, file, text);
	r = read_number(d->fd, file, &got);
	if (r < 0)
		return lxe_fail(err, r, "read back '%s/%s'", d->path, file);
	if (!holds(value, got, unit))
		return lxe_fail_msg(err, -ERANGE,
			"cgroup limit '%s/%s' does not hold: asked for %s, it is %" PRIu64, d->path,
			file, text, got);
	return 0;
}

static int set_memory(const struct lxe_group_dir *d, uint64_t bytes, struct lxe_err *err)
{
	/* Without a limit on swap as well, the limit on memory would only push pages out. */
	const char *limit = d->v2 ? "memory.max" : "memory.limit_in_bytes";
	const char *swap = d->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int r;

	r = set_limit(d, limit, bytes, page, err);
	if (r < 0)
		return r;
	/* Both are missing where the kernel does not account for swap. */
	if (faccessat(d->fd, swap, F_OK, 0) < 0)
		return 0;
	return set_limit(d, swap, d->v2 ? 0 : bytes, page, err);
}

int lxe_cgroup_limit(
	const struct lxe_cgroup *cg, const struct lxe_cgroup_limits *limits, struct lxe_err *err)
{
	for (size_t i = 0; i < cg->n; i++) {
		const struct lxe_group_dir *d = &cg->dir[i];
		int r = 0;

		if (limits->memory && (d->controllers & LXE_CONTROLLER_MEMORY))
			r = set_memory(d, limits->memory, err);
		if (r == 0 && limits->pids && (d->controllers & LXE_CONTROLLER_PIDS))
			r = set_limit(d, "pids.max", limits->pids, 1, err);
		if (r < 0)
			return r;
	}
	return 0;
}
