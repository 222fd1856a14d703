/*
 * Which of the paths that somebody has named are in which copy-on-write bind. A path is one of the host, or as it is seen
 * inside; a relative one begins at the working directory, or, where that leads nowhere, at the top of a bind. Private to cow*.c.
 */
#ifndef LXE_CLIENT_COW_PATHS_H
#define LXE_CLIENT_COW_PATHS_H

#include "client/cow_layers.h"

/* Select what is named of the n-th layer in `c`, and nothing else. -ENOENT: one is in none, or nothing has changed there. */
int lxe_cow_select(struct lxe_changes *c, const struct lxe_cow_layers *layers, size_t n,
	const struct lxe_cow_how *how, struct lxe_err *err);

#endif
