/*
 * The one teardown: replay a sandbox's journal from its end, undo each entry, verify that it is
 * gone, and remove the sandbox's directory last. The keeper, the client whose keeper died, the next
 * run and gc all end here and nowhere else. Blocks, with a deadline, until processes have ended.
 */
#ifndef LXE_KEEPER_TEARDOWN_H
#define LXE_KEEPER_TEARDOWN_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "store/dirs.h"
#include "store/sandbox.h"

/*
 * The caller holds the sandbox's lock. Each thing that could not be removed adds a line to
 * *residue. 0 when everything is gone; otherwise a negative errno, and the directory with its
 * journal stays for the next gc.
 */
int lxe_teardown(struct lxe_sandbox *sandbox, struct lxe_strv *residue);

/*
 * Take every record below dirs->run whose lock is free and tear it down. With dry_run nothing is
 * changed. For each record `report` is called with its id and NULL or what remained of it.
 * Returns the number of records found, or a negative errno.
 */
typedef void (*lxe_gc_report)(void *arg, const char *id, const char *residue);
int lxe_gc(const struct lxe_dirs *dirs, bool dry_run, lxe_gc_report report, void *arg,
	struct lxe_err *err);

#endif
