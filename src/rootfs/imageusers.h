/*
 * Sandboxes that do not run and are kept lie on an image without a lock on it: what they have written is nothing
 * without it. Reads their records.
 */
#ifndef LXE_ROOTFS_IMAGEUSERS_H
#define LXE_ROOTFS_IMAGEUSERS_H

#include <stddef.h>

#include "base/str.h"

/* The ids of sandboxes below `base` (STATE, or RUN) that run on it, or are kept and will again. */
int lxe_image_users(const char *base, const char *image, struct lxe_strv *ids);

/* 1 and the name, or the id, of one of them; 0: there is none. A record that cannot be read counts for none. */
int lxe_image_kept_by(const char *state, const char *image, char *ret, size_t size);

#endif
