/*
 * Copy-on-write: an overlay over a directory of the caller's, whose writable layer is a directory of the sandbox's
 * own. That directory holds `u`, what was written, with the owners that the sandbox has; `w`, overlayfs's own; `l`, a
 * mount point; and `about`. What is below is never written to, whatever happens above. Its cost is that of one mount,
 * however much is below.
 */
#ifndef LXE_ROOTFS_COW_H
#define LXE_ROOTFS_COW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

#define LXE_COW_LAYERS \
	"c" /* the directory of all layers, beside the sandbox's other writable ones */
#define LXE_COW_UPPER "u"

/* What is known of a layer beside its files. */
struct lxe_cow_about {
	struct timespec since; /* realtime: nothing below had changed by then that is to be kept */
	uint64_t source;       /* inode number of the directory below, */
	uint64_t
		born; /* and when it was made, in ns; tops of file systems all have the same number */
};

/* Which directory it is: sets these two. */
int lxe_cow_about_source(int source, struct lxe_cow_about *ret);

/* -ESTALE: it is another one than it was; both are named. */
int lxe_cow_about_check(const struct lxe_cow_about *was, const struct lxe_cow_about *now,
	const char *shown, struct lxe_err *err);

int lxe_cow_about_read(int layer, struct lxe_cow_about *ret);

struct lxe_cow {
	int writable; /* the directory of the sandbox's writable layers */
	size_t index; /* which of its mounts it is: its layer is called so */
	int lower; /* a detached mount of the directory below, read-only, owners shifted as they are to be */
	int source;	   /* the same directory as the caller has it */
	uid_t nobody;	   /* who gets the top directory of the layer where its owner has no id */
	bool user;	   /* in the namespace of an ordinary user (store/rootless.h) */
	const char *shown; /* the source's path, for errors */
};

/*
 * Make the layer, or take the one that is there, and mount the overlay: a detached mount, the caller's. *layer is the
 * layer's directory (the caller's). The working directory is changed and changed back.
 */
int lxe_cow_mount(const struct lxe_cow *how, int *layer, struct lxe_err *err);

/* The n-th layer below the directory of the writable ones: a descriptor, or -ENOENT. */
int lxe_cow_open(int writable, size_t index);

#endif
