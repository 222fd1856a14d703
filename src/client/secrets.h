/*
 * The values of --secret, read where they come from before anything runs, into a memfd that goes to the
 * keeper: they are in no other memory of ours, in no message and in no file. Reading a pipe blocks.
 */
#ifndef LXE_CLIENT_SECRETS_H
#define LXE_CLIENT_SECRETS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/*
 * The memfd, the caller's; -EBADF without an error: there are no secrets. With `wipe` the values are
 * removed from the environment as well, where /proc/PID/environ shows them.
 */
int lxe_secrets_open(const struct lxe_strv *secrets, bool wipe, int *ret, struct lxe_err *err);

#endif
