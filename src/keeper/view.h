/*
 * The keeper's own view of the mounts: what it mounts is seen by nobody else and vanishes with it.
 * /run is private, so that whatever liblxc leaves in /run/lxc
 * goes with the namespace, and no path of the host reaches the container. /sys/fs/cgroup is empty,
 * so that liblxc's cgroup driver finds nothing to do.
 */
#ifndef LXE_KEEPER_VIEW_H
#define LXE_KEEPER_VIEW_H

#include "base/err.h"
#include "store/sandbox.h"

#define LXE_VIEW_DIR "/run/lxe"		  /* where the root filesystem is put together: rootfs.h */
#define LXE_VIEW_KEPT "/run/lxe-kept"	  /* the directory of a sandbox that is kept */
#define LXE_VIEW_ROOTFS "/run/lxe-rootfs" /* an empty directory for liblxc to mount on */

/*
 * Enter a mount namespace with that view; `kept` is the sandbox that is kept, or NULL. Descriptors of
 * directories from before still belong to the host's mounts. *host is the way back, set as soon as there is one
 * (the caller's, also on failure).
 */
int lxe_view_enter(const struct lxe_sandbox *kept, int *host, struct lxe_err *err);

/*
 * Go back to the host's view. With the last process in it the private one ends, mounts and all: the
 * kernel owns them, and no journal has to.
 */
int lxe_view_leave(int host);

#endif
