/*
 * The keeper's own view of the mounts: what it mounts is seen by nobody else and vanishes with it.
 * /run is private and holds only the sandbox's directory, so that whatever liblxc leaves in /run/lxc
 * goes with the namespace, and no path of the host reaches the container. /sys/fs/cgroup is empty,
 * so that liblxc's cgroup driver finds nothing to do.
 */
#ifndef LXE_KEEPER_VIEW_H
#define LXE_KEEPER_VIEW_H

#include "base/err.h"
#include "store/sandbox.h"

#define LXE_VIEW_DIR "/run/lxe"		  /* the sandbox's directory */
#define LXE_VIEW_IMAGE "/run/lxe-image"	  /* the image's, wherever it lies on the host */
#define LXE_VIEW_ROOTFS "/run/lxe-rootfs" /* an empty directory for liblxc to mount on */

/*
 * Enter a mount namespace with that view. Returns a descriptor of LXE_VIEW_DIR, opened in it (the
 * caller's); descriptors of directories from before still belong to the host's mounts. *host is the
 * way back, set as soon as there is one (the caller's, also on failure).
 */
int lxe_view_enter(
	const struct lxe_sandbox *sandbox, const char *image, int *host, struct lxe_err *err);

/*
 * Go back to the host's view. With the last process in it the private one ends, mounts and all: the
 * kernel owns them, and no journal has to.
 */
int lxe_view_leave(int host);

#endif
