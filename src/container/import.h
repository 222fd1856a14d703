/*
 * An image from what somebody else has made: an archive, a directory, or an image in an OCI layout. It is unpacked
 * where it can touch nothing (confined.h), checked, and published like one that was built (publish.h).
 */
#ifndef LXE_CONTAINER_IMPORT_H
#define LXE_CONTAINER_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "container/publish.h"
#include "container/waiter.h"
#include "store/dirs.h"

enum lxe_import_kind { LXE_IMPORT_TAR = 1, LXE_IMPORT_DIR, LXE_IMPORT_OCI, LXE_IMPORT_RECIPE };

struct lxe_import {
	const struct lxe_dirs *dirs;
	const char *name; /* of the image */
	enum lxe_import_kind kind;
	int source;	  /* of the archive, or of the directory: opened by the caller's right */
	const char *path; /* where that was found */
	const char *
		config; /* of a tar: what the image says of its commands, as an OCI image does; NULL: nothing */
	const char *tag;	  /* of an OCI layout; "": the only one, or latest */
	lxe_image_guard *replace; /* one of that name that it lets go; NULL: -EEXIST */
	uint32_t ids_start; /* of root's: it is unpacked under ids that are nobody's on the host */
	uint32_t ids_count; /* 0: in the caller's own user namespace */
	const struct lxe_waiter *waiter;
};

int lxe_image_import(const struct lxe_import *import, struct lxe_err *err);

#endif
