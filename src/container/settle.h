/*
 * What was unpacked is made a root filesystem, or refused: owners that a sandbox can have, the directories that it
 * mounts on, nothing in /dev. Works in the directory alone and follows no symlink.
 */
#ifndef LXE_CONTAINER_SETTLE_H
#define LXE_CONTAINER_SETTLE_H

#include <stdbool.h>

#include "base/err.h"

struct lxe_settle {
	bool anything; /* it need not look like a system: one program is enough for an image with a configuration */
	bool own; /* what belongs to the calling user (store/rootless.h) becomes root's */
};

/* `path` of the tree's directory. -EINVAL, described, when it cannot be one. */
int lxe_settle(const char *path, const struct lxe_settle *how, struct lxe_err *err);

#endif
