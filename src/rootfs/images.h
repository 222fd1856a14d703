/*
 * What can be done with images besides running them: list, remove, clean up after. They are built by
 * container/build.h. An image that a sandbox runs on is locked (lxe_image_open) and stays.
 */
#ifndef LXE_ROOTFS_IMAGES_H
#define LXE_ROOTFS_IMAGES_H

#include <stdbool.h>

#include "base/err.h"
#include "store/imagedir.h"

struct lxe_image_info {
	const char *name; /* of the directory */
	bool complete;	  /* false: half-built, and of the record nothing is known */
	bool in_use;	  /* a sandbox runs on it, or it is being removed */
	struct lxe_image_record record;
};

/* Return a negative errno to end the listing with it. */
typedef int (*lxe_image_visit)(void *arg, const struct lxe_image_info *info);

/* Visit every image, half-built ones included, sorted by name. No images at all is no error. */
int lxe_image_list(const char *state, lxe_image_visit visit, void *arg, struct lxe_err *err);

/*
 * Remove what killed builds left, unless somebody builds just now; with dry_run only name it. For
 * each `report` is called with the name of the image and what failed (NULL: nothing).
 */
typedef void (*lxe_image_report)(void *arg, const char *name, const char *residue);
int lxe_image_collect(
	const char *state, bool dry_run, lxe_image_report report, void *arg, struct lxe_err *err);

/* -EBUSY, described, when a sandbox that is kept lies on it: what that has written is changes to these very files. */
int lxe_image_refuse_kept(const char *state, const char *name, struct lxe_err *err);

/* Remove an image, complete or not: -EBUSY while it is in use, -ENOENT when there is none. */
int lxe_image_remove(const char *state, const char *name, struct lxe_err *err);

#endif
