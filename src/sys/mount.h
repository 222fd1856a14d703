/*
 * The mount calls that work on descriptors instead of paths (open_tree(2), mount_setattr(2),
 * move_mount(2); Linux 5.12 and later), and path resolution that cannot be led astray. Everything
 * returns >= 0 or a negative errno. Nothing here is undone on failure: a detached mount vanishes
 * with its descriptor, an attached one with the mount namespace.
 */
#ifndef LXE_SYS_MOUNT_H
#define LXE_SYS_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A detached, private copy of the mount at `path`, or at dirfd itself when the path is empty, with its
 * submounts if asked. Follows nothing.
 */
int sys_mount_clone(int dirfd, const char *path, bool recursive);

/*
 * Add the MOUNT_ATTR_* flags of `set` to a detached mount and cut its propagation, for it alone or
 * with its submounts; with a `userns` that is not negative, shift its owners by that namespace's
 * map. -EINVAL or -EOPNOTSUPP when a filesystem cannot be shifted; nothing is changed then.
 */
int sys_mount_change(int fd, bool recursive, uint64_t set, int userns);

/* Attach a detached mount at a path below dirfd, or at dirfd itself when the path is empty. */
int sys_mount_attach(int fd, int dirfd, const char *path);

/* openat2(2) with O_CLOEXEC, again while it is interrupted or disturbed. -EAGAIN: it keeps moving. */
int sys_openat2(int dirfd, const char *path, int flags, uint64_t resolve);

/* Open for reading in the tree `root` as in a chroot(2) of it: no symlink leads out. Never blocks. */
int sys_open_in_root(int root, const char *path);

/* Likewise with O_PATH, whatever it is; a symlink at its end is followed, or is it. */
int sys_find_in_root(int root, const char *path, bool follow);

/* Open with O_PATH as open(2) would find it, but not what /proc only leads to by magic: an open file of our own. */
int sys_find(const char *path);

/* Open with O_PATH below dirfd, never through a symlink or out of it. See openat2(2). */
int sys_open_beneath(int dirfd, const char *path);

/* The kernel's name of the filesystem that a descriptor lies on, as in /proc/self/mountinfo. */
int sys_filesystem_name(int fd, char *buf, unsigned int size);

#endif
