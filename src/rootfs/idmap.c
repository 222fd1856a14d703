#include "rootfs/rootfs.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/rootless.h"
#include "store/subid.h"

#define SLOT_WIDTH 65536u

/* The first line of root's that is wide enough and leaves the system's own ids alone. */
static bool first_usable_line(const char *text, struct lxe_idmap *range)
{
	struct lxe_subid line;

	while (lxe_subid_next(&text, &line)) {
		if (!lxe_subid_is_root(&line) || line.start < SLOT_WIDTH || line.count < SLOT_WIDTH)
			continue;
		*range = (struct lxe_idmap){
			.host_start = (uint32_t)line.start,
			.count = (uint32_t)line.count,
		};
		return true;
	}
	return false;
}

int lxe_idmap_range(struct lxe_idmap *ret, const char *subuid_path, bool *from_file)
{
	LXE_AUTOFREE char *text = NULL;
	int r = lxe_subid_read(subuid_path, &text);

	*ret = (struct lxe_idmap){ .host_start = LXE_SUBID_START, .count = LXE_SUBID_COUNT };
	*from_file = false;
	if (text)
		*from_file = first_usable_line(text, ret);
	return r;
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

void lxe_idmap_nested(struct lxe_idmap *ret)
{
	*ret = (struct lxe_idmap){ .count = LXE_ROOTLESS_COUNT, .stored = true };
}

void lxe_idmap_of_owner(struct lxe_idmap *ret)
{
	*ret = (struct lxe_idmap){ .count = LXE_ROOTLESS_COUNT - 1, .stored = true, .owner = true };
}

/* What is the range's first on disk must have some id inside, or nobody there could change it. */
uint32_t lxe_idmap_host(const struct lxe_idmap *map, uint32_t inside)
{
	if (!map->owner)
		return map->host_start + inside;
	if (inside == 0)
		return LXE_ROOTLESS_COUNT;
	return inside == map->count ? 0 : inside;
}

uint32_t lxe_idmap_nobody(const struct lxe_idmap *map)
{
	return map->owner ? map->count : geteuid();
}
