/*
 * Several copy-on-write binds that show the same directory, or one of them what is below the other's: each has a layer of its own,
 * and what both have changed can only be carried over from one of them. Private to cow*.c.
 */
#ifndef LXE_CLIENT_COW_OVERLAP_H
#define LXE_CLIENT_COW_OVERLAP_H

#include "client/cow_layers.h"

/* -ESTALE when there is such a thing among what is selected; a line for each to the descriptor (-EBADF: nowhere). */
int lxe_cow_check_overlaps(const struct lxe_cow_layers *layers, const struct lxe_changes *changes,
	int to, uint64_t *ret_conflicts, struct lxe_err *err);

#endif
