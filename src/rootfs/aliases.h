/*
 * All the places of a root filesystem where one object is to be seen: by the mounts it consists of, not by
 * names, so a symlink or a second bind hides nothing. Other names that a file has by hard links are not
 * found.
 */
#ifndef LXE_ROOTFS_ALIASES_H
#define LXE_ROOTFS_ALIASES_H

#include "base/str.h"
#include "sys/mountinfo.h"

/*
 * Add to *ret every path of the root filesystem, as seen from inside, that leads to `object` or to a part of it,
 * according to the mounts of the calling process's namespace.
 */
int lxe_aliases_find(struct lxe_strv *ret, const struct sys_mounts *mounts, const char *rootfs,
	const struct sys_object *object);

#endif
