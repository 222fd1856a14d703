/*
 * Where a file that was copied from the source, and is not in it at that path, has come from. A sandbox that renames a
 * file leaves another change at its old path, under which the source still has it. Private to src/changes.
 */
#ifndef LXE_CHANGES_MOVED_H
#define LXE_CHANGES_MOVED_H

#include "changes/origin.h"
#include "changes/record.h"

/* The handles of what the changes take away or replace, once somebody has asked. All-zero: nobody has. */
struct lxe_moved {
	struct lxe_handle *v;
	size_t n;
	bool filled;
};

/* 1: the change is no loss of the source's: new, or renamed; 0: the source has lost it; or a negative errno. */
int lxe_moved_from_elsewhere(struct lxe_moved *moved, const struct lxe_changes *c,
	const struct lxe_record *rec, const struct lxe_change *change);
void lxe_moved_release(struct lxe_moved *moved);

#endif
