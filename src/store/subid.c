#include "store/subid.h"

#include <string.h>

#include "base/num.h"
#include "base/str.h"

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

bool lxe_subid_next(const char **text, struct lxe_subid *ret)
{
	bool found = false;

	while (!found && **text) {
		size_t len = strcspn(*text, "\n");

		found = parse_line(*text, len, ret);
		*text += len;
		*text += **text == '\n';
	}
	return found;
}

bool lxe_subid_is_root(const struct lxe_subid *line)
{
	return strcmp(line->owner, "root") == 0 || strcmp(line->owner, "0") == 0;
}
