/*
 * liblxc leaves a lock directory below /run/lxc/lock for every lxcpath that it is given, and never
 * removes it. In a mount namespace of our own it writes into a tmpfs instead.
 */
#ifndef LXE_CONTAINER_COVER_H
#define LXE_CONTAINER_COVER_H

#include <stddef.h>

#include "base/err.h"

/*
 * Cover /run/lxc, or where there is none all of /run, with an empty tmpfs. Of a covered /run the
 * `n` directories of `keep` (absolute paths, those elsewhere are ignored) stay what they were. The
 * caller has a mount namespace of its own with slave or private propagation.
 */
int lxe_cover_run(const char *const *keep, size_t n, struct lxe_err *err);

#endif
