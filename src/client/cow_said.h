/*
 * What there is to be said of a list of changes beside the list: how many there are, and what stands against a commit.
 * Nothing is owned. Private to cow*.c.
 */
#ifndef LXE_CLIENT_COW_SAID_H
#define LXE_CLIENT_COW_SAID_H

#include "changes/changes.h"
#include "client/cow.h"

/* Add what is selected. */
void lxe_cow_count(struct lxe_cow_told *told, const struct lxe_changes *c);
bool lxe_cow_has_some(const struct lxe_changes *c);

/* A line for each to the descriptor; -EBADF: nowhere. Blocks as its reader does. */
void lxe_cow_tell_conflicts(int to, const struct lxe_changes *c);

#endif
