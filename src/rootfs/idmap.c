#include "rootfs/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/fd.h"

#define SLOT_WIDTH 65536u
#define SUBID_FILE_MAX (1024 * 1024)

/* 0x70000000..0x7fffffff: see systemd's UIDS-GIDS.md for who uses what. */
#define DEFAULT_START 1879048192u
#define DEFAULT_COUNT 268435456u

static bool is_root(const char *name)
{
	return strcmp(name, "root") == 0 || strcmp(name, "0") == 0;
}

/*
 * One line of subuid(5), "name:start:count". Only a whole, well-formed line of root's counts, and
 * only one whose ids all exist (2^32 - 1 is "no change") and are no system user's.
 */
static bool parse_line(char *line, struct lxe_idmap *ret)
{
	char *start = strchr(line, ':'), *count = start ? strchr(start + 1, ':') : NULL;
	uint64_t first, n;

	if (!count)
		return false;
	*start++ = '\0';
	*count++ = '\0';
	if (!is_root(line))
		return false;
	if (lxe_parse_u64(start, SLOT_WIDTH, UINT32_MAX, &first) < 0)
		return false;
	if (lxe_parse_u64(count, SLOT_WIDTH, UINT32_MAX - first, &n) < 0)
		return false;
	*ret = (struct lxe_idmap){ .host_start = (uint32_t)first, .count = (uint32_t)n };
	return true;
}

static bool first_usable_line(char *text, struct lxe_idmap *range)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (parse_line(line, range))
			return true;
	return false;
}

int lxe_idmap_range(struct lxe_idmap *ret, const char *subuid_path, bool *from_file)
{
	LXE_AUTOCLOSE int fd = open(subuid_path, O_RDONLY | O_CLOEXEC);
	LXE_AUTOFREE char *text = NULL;
	size_t len;
	int r;

	*ret = (struct lxe_idmap){ .host_start = DEFAULT_START, .count = DEFAULT_COUNT };
	*from_file = false;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = sys_read_whole(fd, SUBID_FILE_MAX, &text, &len);
	if (r < 0)
		return r;
	*from_file = first_usable_line(text, ret);
	return 0;
}

/* Any 64 bits will do: ids are random, and two that share a slot only share its owner ids. */
static uint64_t number_of(const char *id)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 1099511628211u;
	return hash;
}

int lxe_idmap_pick(
	struct lxe_idmap *ret, const char *subuid_path, const char *id, struct lxe_err *err)
{
	struct lxe_idmap range;
	bool from_file;
	uint32_t slot;
	int r;

	r = lxe_idmap_range(&range, subuid_path, &from_file);
	if (r < 0)
		return lxe_fail(err, r, "read '%s'", subuid_path);
	slot = (uint32_t)(number_of(id) % (range.count / SLOT_WIDTH));
	*ret = (struct lxe_idmap){
		.host_start = range.host_start + slot * SLOT_WIDTH,
		.count = SLOT_WIDTH,
	};
	return 0;
}
