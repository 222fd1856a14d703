/*
 * What was asked of liblxc and of the command's own process, looked at from outside while the command is
 * parked.
 */
#ifndef LXE_KEEPER_VERIFY_H
#define LXE_KEEPER_VERIFY_H

#include <sys/types.h>

#include "base/err.h"
#include "confine/confine.h"

/* Is the process in none of the caller's namespaces? -EPERM when it shares one, -ESRCH when it has ended. */
int lxe_verify_namespaces(pid_t pid, struct lxe_err *err);

/*
 * Is the parked process confined as asked, by its /proc/PID/status? -EPERM, and what is wrong, when
 * it is not. lxe_verify_status() is the part without the file: pure.
 */
int lxe_verify_confinement(pid_t pid, const struct lxe_confinement *asked, struct lxe_err *err);
int lxe_verify_status(const char *status, const struct lxe_confinement *asked, struct lxe_err *err);

/* Are there as many filters more than ours as were added, by the /proc/PID/status of both? -EPERM. Pure. */
int lxe_verify_filters(
	const char *status, const char *ours, unsigned int added, struct lxe_err *err);

#endif
