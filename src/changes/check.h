/*
 * Conflicts, with a record that is read already. Private to src/changes.
 */
#ifndef LXE_CHANGES_CHECK_H
#define LXE_CHANGES_CHECK_H

#include "changes/record.h"

int lxe_changes_check_with(
	struct lxe_changes *c, struct lxe_record *rec, size_t *ret_conflicts, struct lxe_err *err);

#endif
