/*
 * A list of changes as text for people, as JSON for programs, as a patch. Private to src/changes. Writing blocks
 * for as long as the reader does; the caller looks at ferror(3) of `out`.
 */
#ifndef LXE_CHANGES_RENDER_H
#define LXE_CHANGES_RENDER_H

#include "changes/layer.h"

int lxe_changes_patch(const struct lxe_changes *c, FILE *out, struct lxe_err *err);

/* Room for a path of which each byte is escaped. */
#define LXE_SHOWN_MAX (4 * (4096 + LXE_CHANGES_PATH_MAX + 256) + 1)

#endif
