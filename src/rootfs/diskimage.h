/*
 * A disk image of the caller's (--disk IMAGE:DST) as a detached mount: looked at, locked, attached to a loop device and
 * mounted. The lock is a flock(2) on the file, shared for reading and exclusive for writing. The loop device
 * holds it with the file, so that it ends with the last mount, whoever is killed: nothing has to be undone, and no
 * lock outlives what it guards. Waits a moment for a lock whose holder is just ending. Only root can mount one.
 */
#ifndef LXE_ROOTFS_DISKIMAGE_H
#define LXE_ROOTFS_DISKIMAGE_H

#include "policy/mounts.h"
#include "sys/mountinfo.h"

struct lxe_diskimage {
	const struct lxe_mount *m;
	int found;		     /* the file, opened with O_PATH */
	const struct sys_object *at; /* the same */
	const char *const
		*directories; /* where sandboxes are: the holder of a lock is looked for there */
	size_t n_directories;
};

/* Is it a file at all that can be an image? */
int lxe_diskimage_check(const struct lxe_mount *m, mode_t mode, struct lxe_err *err);

/* The mount, not visible anywhere and with its owners as they are; -EBUSY with the holder's name. */
int lxe_diskimage_mount(const struct lxe_diskimage *image, struct lxe_err *err);

#endif
