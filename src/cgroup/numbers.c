/* Numbers in control files, which count as set when they are read back. See group.h. */
#include "cgroup/group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "sys/fd.h"

int lxe_cgroup_get_number(int dir, const char *file, uint64_t *ret)
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

int lxe_cgroup_get_counter(int dir, const char *file, const char *key, uint64_t *ret)
{
	char text[4096], *rest = text, *line;
	ssize_t n = sys_read_file(dir, file, text, sizeof(text));

	if (n < 0)
		return (int)n;
	while ((line = strsep(&rest, "\n"))) {
		const char *word = strsep(&line, " ");

		if (line && strcmp(word, key) == 0)
			return lxe_parse_u64(line, 0, UINT64_MAX, ret);
	}
	return -ENOENT;
}

/* The kernel counts memory in pages and rounds down; nothing else may differ. */
static bool holds(uint64_t wanted, uint64_t got, uint64_t unit)
{
	return got == wanted || got == wanted - wanted % unit;
}

int lxe_cgroup_set_number(const struct lxe_group_dir *d, const char *file, uint64_t value,
	uint64_t unit, struct lxe_err *err)
{
	char text[32];
	uint64_t got;
	int r;

	snprintf(text, sizeof(text), "%" PRIu64, value);
	r = sys_write_file(d->fd, file, text);
	if (r < 0)
		return lxe_fail(err, r, "set '%s/%s' to %s", d->path, file, text);
	r = lxe_cgroup_get_number(d->fd, file, &got);
	if (r < 0)
		return lxe_fail(err, r, "read back '%s/%s'", d->path, file);
	if (!holds(value, got, unit))
		return lxe_fail_msg(err, -ERANGE,
			"cgroup limit '%s/%s' does not hold: asked for %s, it is %" PRIu64, d->path,
			file, text, got);
	return 0;
}
