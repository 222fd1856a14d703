/*
 * One name in both layers: what is different. Private to src/changes. Blocks on disks for as long as files
 * of equal size are long.
 */
#ifndef LXE_CHANGES_COMPARE_H
#define LXE_CHANGES_COMPARE_H

#include "changes/layer.h"

/* Where a name is: both directories are open for reading. The lower one is not used when `before` is absent. */
struct lxe_pair {
	int lower, upper;
	const char *name;
	const struct lxe_cow_layer *layer;
};

/*
 * Set kind and what of `change`, whose two sides are known and of which at least one is there. Neither is a
 * directory.
 */
int lxe_compare(const struct lxe_pair *pair, struct lxe_change *change);

/* The same for a directory that is in both and open in both: LXE_CHANGE_META, or LXE_CHANGE_NONE. */
int lxe_compare_dirs(
	int lower, int upper, const struct lxe_cow_layer *layer, struct lxe_change *change);

#endif
