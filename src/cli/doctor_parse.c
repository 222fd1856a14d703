#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/doctor.h"

#define SLOT 65536u

bool lxe_release_at_least(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int have_major = 0, have_minor = 0;

	if (sscanf(release, "%u.%u", &have_major, &have_minor) < 1)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

/* As lxe_idmap_pick() reads it: a line of other things counts for nobody. */
static bool parse_line(const char *line, size_t len, struct lxe_subid *ret)
{
	char text[128], *start, *count;
	uint64_t first, n;

	if (lxe_format(text, sizeof(text), "%.*s", (int)len, line) < 0)
		return false;
	start = strchr(text, ':');
	count = start ? strchr(start + 1, ':') : NULL;
	if (!count)
		return false;
	*start++ = '\0';
	*count++ = '\0';
	if (lxe_parse_u64(start, 0, UINT32_MAX, &first) < 0)
		return false;
	if (lxe_parse_u64(count, 1, UINT32_MAX - first, &n) < 0)
		return false;
	ret->start = first;
	ret->count = n;
	return lxe_format(ret->owner, sizeof(ret->owner), "%s", text) == 0;
}

size_t lxe_subid_parse(const char *text, struct lxe_subid *ret, size_t max)
{
	size_t n = 0;

	while (*text && n < max) {
		size_t len = strcspn(text, "\n");

		n += parse_line(text, len, &ret[n]);
		text += len;
		text += *text == '\n';
	}
	return n;
}

bool lxe_subid_is_root(const struct lxe_subid *line)
{
	return strcmp(line->owner, "root") == 0 || strcmp(line->owner, "0") == 0;
}

const struct lxe_subid *lxe_subid_overlap(
	const struct lxe_subid *lines, size_t n, uint64_t start, uint64_t count)
{
	for (size_t i = 0; i < n; i++) {
		const struct lxe_subid *s = &lines[i];

		if (!lxe_subid_is_root(s) && s->start < start + count &&
			start < s->start + s->count)
			return s;
	}
	return NULL;
}

static uint64_t next_slot(uint64_t id)
{
	return (id + SLOT - 1) / SLOT * SLOT;
}

int lxe_subid_free(
	const struct lxe_subid *lines, size_t n, uint64_t from, uint64_t count, uint64_t *ret)
{
	uint64_t start = next_slot(from);
	const struct lxe_subid *other;

	/* Each turn passes one line for good. */
	while (start + count <= UINT32_MAX) {
		other = lxe_subid_overlap(lines, n, start, count);
		if (!other) {
			*ret = start;
			return 0;
		}
		start = next_slot(other->start + other->count);
	}
	return -ERANGE;
}
