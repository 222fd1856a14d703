/*
 * From a source to the files of an image, by the host's tools: tar, cp, skopeo and umoci. Called by a worker where it
 * can touch nothing but the target and the scratch directory (confined.h). Blocks until the tools have ended.
 */
#ifndef LXE_CONTAINER_UNPACK_H
#define LXE_CONTAINER_UNPACK_H

#include "base/err.h"

/* In the scratch directory: the configuration of an OCI image. */
#define LXE_UNPACK_CONFIG "config.json"

int lxe_unpack_tar(int archive, struct lxe_err *err);
int lxe_unpack_dir(struct lxe_err *err);

/* tag "": the one that is called latest, or the only one. */
int lxe_unpack_oci(const char *tag, struct lxe_err *err);

#endif
