#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"
#include "cli/doctor.h"

#define SLOT 65536u

/* Take the number at the start of *text off. */
static bool take_number(const char **text, int *ret)
{
	size_t len = strspn(*text, "0123456789");
	char digits[16];

	if (lxe_format(digits, sizeof(digits), "%.*s", (int)len, *text) < 0 ||
		lxe_parse_int(digits, 0, INT_MAX, ret) < 0)
		return false;
	*text += len;
	return true;
}

bool lxe_release_at_least(const char *release, int major, int minor)
{
	int have_major, have_minor;

	if (!take_number(&release, &have_major) || *release++ != '.' ||
		!take_number(&release, &have_minor))
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
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
