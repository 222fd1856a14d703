/*
 * The files of an image as a tar archive, that the same import makes the same image of: ids as inside, names sorted, and nothing
 * in it that another run would not write.
 */
#ifndef LXE_CONTAINER_EXPORT_H
#define LXE_CONTAINER_EXPORT_H

#include "base/err.h"
#include "container/waiter.h"
#include "store/dirs.h"

struct lxe_export {
	const struct lxe_dirs *dirs;
	int rootfs; /* of the image, which the caller has locked */
	int output;
	const struct lxe_waiter *waiter;
};

/* -EIO with what tar(1) said, -ECANCELED when the waiter ended it. What has been written then is no archive. */
int lxe_image_export(const struct lxe_export *e, struct lxe_err *err);

#endif
