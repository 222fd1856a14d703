/*
 * Where things live: the state directory (images, caches: kept), the run directory (sandboxes:
 * gone after a reboot) and the installation (keeper, init, templates, profiles).
 *
 * Root: /var/lib/lxc-exec and /run/lxc-exec. Others: $XDG_DATA_HOME/lxc-exec and
 * $XDG_RUNTIME_DIR/lxc-exec, and where there is no such variable /tmp/lxc-exec-UID. LXC_EXEC_STATE_DIR and LXC_EXEC_RUN_DIR override both.
 */
#ifndef LXE_STORE_DIRS_H
#define LXE_STORE_DIRS_H

#include <limits.h>

#include "base/err.h"

struct lxe_dirs {
	char state[PATH_MAX];
	char run[PATH_MAX];
	char libexec[PATH_MAX]; /* holds lxc-exec-keeper and lxc-exec-init */
	char data[PATH_MAX];	/* holds lxc-templates/ and conf/ */
};

/* Work the four paths out. Of them only the one in /tmp is made, or refused when it is somebody else's. */
int lxe_dirs_find(struct lxe_dirs *ret, struct lxe_err *err);

/* Make one of the directories and its parents: for root 0711, so that a mapped root can pass, else 0700. */
int lxe_dirs_make(const char *path, struct lxe_err *err);

#endif
