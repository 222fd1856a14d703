/*
 * What sources.h has opened, put where it belongs in a sandbox's root filesystem before its container is
 * started, whose start takes it along. Mount points are made in the sandbox's own layers and nowhere
 * else; no symlink leads out of the root filesystem.
 */
#ifndef LXE_ROOTFS_PLACE_H
#define LXE_ROOTFS_PLACE_H

#include "rootfs/sources.h"

struct lxe_placing {
	const char *rootfs;
	uid_t root; /* of the sandbox, as the calling process has it */
	uid_t uid;  /* of who gets the files that are copied */
	gid_t gid;
	uid_t nobody;	      /* likewise */
	bool user;	      /* in the namespace of an ordinary user */
	const char *writable; /* the directory of the sandbox's writable layers (cow.h) */
	bool host_trees;      /* /tmp and /root are mounts of the sandbox's own */
	bool secrets;	      /* /run/secrets is taken */
};

/*
 * Mount all of `list` below how->rootfs, what lies in another after it, and see that each is to be seen in
 * its place; then copy the files. The binds' descriptors are used up.
 */
int lxe_place(const struct lxe_placing *how, const struct lxe_mounts *list,
	struct lxe_sources *sources, struct lxe_err *err);

#endif
