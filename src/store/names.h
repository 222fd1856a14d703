/*
 * The names of sandboxes: STATE/names/NAME is a symbolic link whose text is an id. A name is unique
 * among the sandboxes that are there: one whose sandbox is gone, or was killed and is not kept, is
 * free. Taken and looked at under a lock on the directory.
 */
#ifndef LXE_STORE_NAMES_H
#define LXE_STORE_NAMES_H

#include <stddef.h>

#include "base/err.h"
#include "store/dirs.h"
#include "store/outcome.h"

/* The link's path, for the journal. */
int lxe_name_path(const struct lxe_dirs *dirs, const char *name, char *path, size_t size);

/* -EEXIST when a sandbox of that name is there. */
int lxe_name_take(
	const struct lxe_dirs *dirs, const char *name, const char *id, struct lxe_err *err);

/* The id behind a name; -ENOENT. It may be of a sandbox that is gone. */
int lxe_name_look_up(const struct lxe_dirs *dirs, const char *name, char id[LXE_ID_LEN + 1]);

/* Undo of lxe_name_take(): only if it is still that sandbox's. Absent is success. */
int lxe_name_drop(const char *path, const char *id);

#endif
