/*
 * What liblxc was asked for and only warns of, looked at from outside while the command is parked.
 */
#ifndef LXE_KEEPER_VERIFY_H
#define LXE_KEEPER_VERIFY_H

#include <sys/types.h>

#include "base/err.h"

/* Is the process in none of the caller's namespaces? -EPERM when it shares one. */
int lxe_verify_namespaces(pid_t pid, struct lxe_err *err);

#endif
