/*
 * The secrets of a sandbox as files in a tmpfs on its /run/secrets: read-only, in the keeper's mount
 * namespace alone, gone with it. Only the mount point is in the writable layer.
 */
#ifndef LXE_ROOTFS_SECRETS_H
#define LXE_ROOTFS_SECRETS_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Mount what the memfd holds (policy/secret.h) below the directory `rootfs`, before the container is
 * started: each a file of 0400 that belongs to uid and gid, the directory to `root` (ids as the
 * calling process has them). The memfd is wiped.
 */
int lxe_secrets_mount(
	const char *rootfs, int memfd, uid_t root, uid_t uid, gid_t gid, struct lxe_err *err);

#endif
