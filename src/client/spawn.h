/* Start the keeper's program. */
#ifndef LXE_CLIENT_SPAWN_H
#define LXE_CLIENT_SPAWN_H

#include <sys/types.h>

#include "base/err.h"
#include "store/dirs.h"

/* What to start it as: the second runs a sandbox, and shows its id in that place once it has one. */
#define LXE_KEEPER_BUILD "build"
#define LXE_KEEPER_RUN "------------"

/*
 * Spawn lxc-exec-keeper in a session of its own, with /dev/null for stdio, LXC_EXEC_RUN_DIR for environment and no
 * signal blocked. fds become its descriptors 3, 4, ... (they stay the caller's); `argument` is its
 * only one. Its pid (a child of the caller), or a negative errno.
 */
pid_t lxe_spawn_keeper(const struct lxe_dirs *dirs, const char *argument, const int *fds,
	size_t n_fds, struct lxe_err *err);

/*
 * The same for a sandbox's keeper that is nobody's child here: the caller hears nothing of its end
 * but on the other end of `control`. For programs that have children of their own.
 */
int lxe_spawn_keeper_apart(const struct lxe_dirs *dirs, int control, struct lxe_err *err);

#endif
