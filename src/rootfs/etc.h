/*
 * Files of a sandbox's /etc that the keeper writes into its writable layer. What is there is replaced, never
 * followed: the image, and whoever has been root in a sandbox that is kept, may have put anything there.
 */
#ifndef LXE_ROOTFS_ETC_H
#define LXE_ROOTFS_ETC_H

#include <sys/types.h>

#include "base/err.h"

/* /etc/NAME below the directory `rootfs`: 0644, of `root` (as the calling process has the ids). */
int lxe_etc_put(
	const char *rootfs, const char *name, const char *text, uid_t root, struct lxe_err *err);

/* The text of a regular file of it, empty when there is none or it is larger than 64 KiB: free(*ret). */
int lxe_etc_get(const char *rootfs, const char *name, char **ret);

#endif
