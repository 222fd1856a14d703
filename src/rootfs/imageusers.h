/*
 * Sandboxes that do not run and are kept lie on an image without a lock on it: what they have written is nothing
 * without it. Reads their records.
 */
#ifndef LXE_ROOTFS_IMAGEUSERS_H
#define LXE_ROOTFS_IMAGEUSERS_H

#include <stddef.h>

/* 1 and the name, or the id, of one of them; 0: there is none. A record that cannot be read counts for none. */
int lxe_image_kept_by(const char *state, const char *image, char *ret, size_t size);

#endif
