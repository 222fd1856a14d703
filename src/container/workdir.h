/*
 * The directory that the commands of an image begin in: one that its files lack is made, as engines do it. Works in the
 * directory `root` as in a chroot(2) of it: no symlink leads out.
 */
#ifndef LXE_CONTAINER_WORKDIR_H
#define LXE_CONTAINER_WORKDIR_H

#include "base/err.h"

/* Every part of `cwd`, absolute, that is missing is made, root's and 0755. -ENOTDIR, described: it cannot be. */
int lxe_workdir_make(const char *root, const char *cwd, struct lxe_err *err);

#endif
