/*
 * The host's own programs inside a sandbox: a fixed list of its trees, read-only, those that
 * hold public files only with shifted owners, plus a fresh /tmp and a fresh home for root. Nothing else of the host.
 */
#ifndef LXE_ROOTFS_HOSTTREES_H
#define LXE_ROOTFS_HOSTTREES_H

#include "base/err.h"

/*
 * Mount the trees of the host's root directory `host` onto those of `rootfs`, and rw/tmp and
 * rw/root onto its /tmp and /root. A tree that either side lacks is left out. `userns` says how
 * owners are shifted. Mount points are never reached through a symlink.
 */
int lxe_host_trees_mount(
	const char *host, const char *rootfs, const char *rw, int userns, struct lxe_err *err);

#endif
