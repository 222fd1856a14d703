/*
 * A list of changes as text for people, as JSON for programs, as a patch. Private to src/changes. Writing blocks
 * for as long as the reader does; the caller looks at ferror(3) of `out`.
 */
#ifndef LXE_CHANGES_RENDER_H
#define LXE_CHANGES_RENDER_H

#include "changes/layer.h"

void lxe_changes_text(const struct lxe_changes *c, FILE *out);
int lxe_changes_json(const struct lxe_changes *c, FILE *out);
int lxe_changes_patch(const struct lxe_changes *c, FILE *out, struct lxe_err *err);

const char *lxe_type_name(mode_t mode);

/* Room for a path of which each byte is escaped. */
#define LXE_SHOWN_MAX (4 * (4096 + LXE_CHANGES_PATH_MAX + 256) + 1)

/* The path as it is shown, as it is or escaped, in buf. */
const char *lxe_full_path(const struct lxe_changes *c, const char *path, char buf[LXE_SHOWN_MAX]);
const char *lxe_shown_path(const struct lxe_changes *c, const char *path, char buf[LXE_SHOWN_MAX]);

#endif
