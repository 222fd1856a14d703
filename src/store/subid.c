#include "store/subid.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/fd.h"

#define FILE_SIZE_MAX (1024 * 1024)

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

int lxe_subid_read(const char *path, char **ret)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len;

	*ret = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	return sys_read_whole(fd, FILE_SIZE_MAX, ret, &len);
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
