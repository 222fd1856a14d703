/*
 * A disk of limited size for what a sandbox that is kept writes: a file of the sandbox's directory with a
 * filesystem in it, made sparse and once, mounted by a loop device. Only root can mount one. The mount goes with the
 * mount namespace, and the device with the mount. Making it blocks for the time of mke2fs(8).
 */
#ifndef LXE_ROOTFS_DISK_H
#define LXE_ROOTFS_DISK_H

#include <stdint.h>

#include "base/err.h"

/* In the current directory: make the file `name` of `size` bytes, and mount it on `target`. */
int lxe_disk_mount(const char *name, const char *target, uint64_t size, struct lxe_err *err);

#endif
