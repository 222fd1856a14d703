/*
 * What of the caller's files a sandbox shows (--bind, --tmpfs, --file), from the keeper's side: opened
 * before it leaves the host's view of the mounts, placed when the root filesystem is there. Nothing of
 * it costs anything when nothing is asked for. Copying files takes as long as they are large.
 */
#ifndef LXE_KEEPER_MOUNTS_H
#define LXE_KEEPER_MOUNTS_H

#include <stdbool.h>

#include "base/err.h"
#include "rootfs/sources.h"

struct lxe_keeper;

/* Is root inside to be the caller in one of the binds? */
bool lxe_keeper_shifts(const struct lxe_keeper *k);

/* Open what the spec names; k->idmap is known. The caller releases *ret, also on failure. */
int lxe_keeper_open_sources(struct lxe_keeper *k, struct lxe_sources *ret, struct lxe_err *err);

/*
 * Place it in LXE_VIEW_DIR "/m", cover what of our own directories would be seen in it, and add to what is
 * denied all other paths by which that could be reached (k->denied).
 */
int lxe_keeper_place(struct lxe_keeper *k, struct lxe_sources *sources, struct lxe_err *err);

#endif
