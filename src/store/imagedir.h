/*
 * The images' directory, STATE/images, and the record of one image. NAME/ holds rootfs/ and
 * image.json; the record is written before the directory gets its name, so a directory without one
 * is what somebody left half-built. Names that begin with a dot are ours: builds and locks.
 */
#ifndef LXE_STORE_IMAGEDIR_H
#define LXE_STORE_IMAGEDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_IMAGE_NAME_MAX 64
#define LXE_IMAGE_FILL_MS \
	1800000 /* for one to be filled: distributions and disks are large and slow */
#define LXE_IMAGE_RECORD "image.json"
#define LXE_IMAGE_HOST_TREES "host-trees"
#define LXE_IMAGE_BUILD ".build-"   /* and the name: where an image is built */
#define LXE_IMAGE_RECIPE ".recipe-" /* and the name: locked while its recipe is carried out */

struct lxe_image_record {
	char name[LXE_IMAGE_NAME_MAX + 1];
	char template[LXE_IMAGE_NAME_MAX + 1];
	char source[256];    /* where that was found; empty: nowhere in particular */
	char created_at[32]; /* RFC 3339, UTC */
	bool host_trees;
	uint64_t size; /* bytes on disk */
};

/* Letters, digits, '.', '_' and '-', not a dot or a dash first, and perhaps ':' and a release of the same letters:
 * otherwise -EINVAL, described. */
int lxe_image_check_name(const char *name, struct lxe_err *err);

/* Open STATE/images, made first if it is missing and `make` is set. */
int lxe_imagedir_open(const char *state, bool make, struct lxe_err *err);

/*
 * One recipe per name at a time: a lock file beside the images, which is gone with the lock; what is left by one that
 * was killed is removed by the next, or by lxe_imagedir_sweep(). Waits for another, once `waits` (NULL: nobody) was told; a
 * signal that ends the process ends the wait. The descriptor.
 */
int lxe_imagedir_lock_name(const char *state, const char *name, void (*waits)(void *arg), void *arg,
	struct lxe_err *err);
void lxe_imagedir_unlock_name(const char *state, const char *name, int *lock);

/*
 * Remove what builds have left in the images' directory, whose lock the caller holds: whoever made
 * it is gone then, and all that it started as well. With dry_run nothing is changed. `report` (NULL:
 * none) gets the image's name and 0, or the negative errno of a removal. The first of them, or 0.
 */
typedef void (*lxe_imagedir_report)(void *arg, const char *name, int r);
int lxe_imagedir_sweep(int images, bool dry_run, lxe_imagedir_report report, void *arg);

/* Read the record in an image's directory: -ENOENT when there is none, -EBADMSG when it is bad. */
int lxe_image_record_read(struct lxe_image_record *ret, int image);

/*
 * What each run needs of the record, without parsing it, which costs 0.13 ms in a process that has
 * not used jansson yet: that it is there (otherwise -ENOENT), and host_trees, for which a file
 * stands beside it.
 */
int lxe_image_record_probe(int image, bool *host_trees);

/* Write it into a directory that nobody else looks at yet. */
int lxe_image_record_write(const struct lxe_image_record *record, int image);

#endif
