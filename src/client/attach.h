/*
 * Coming back to a sandbox's terminal: as its driver, as a watcher, or for its text alone.
 */
#ifndef LXE_CLIENT_ATTACH_H
#define LXE_CLIENT_ATTACH_H

#include <stdbool.h>

#include "client/registry.h"
#include "terminal/detach.h"

struct lxe_attach {
	bool take_over; /* whoever drives now has to leave */
	struct lxe_detach_keys keys;
};

/* How an attachment has ended. */
enum lxe_left {
	LXE_LEFT_ENDED,	   /* the command has ended: the outcome says how */
	LXE_LEFT_DETACHED, /* by the keys, or the end of the input */
	LXE_LEFT_TAKEN,	   /* somebody else drives now */
};

/*
 * Drive the terminal of a sandbox's command until it ends or it is left. Owns the caller's terminal
 * meanwhile, like lxe_client_run(). A fatal signal leaves, too.
 */
int lxe_client_attach(const struct lxe_dirs *dirs, const struct lxe_place *place,
	const struct lxe_attach *how, enum lxe_left *left, struct lxe_outcome *outcome,
	struct lxe_err *err);

/* The same, but look only: nothing that is typed reaches the command; Ctrl-C leaves as well. */
int lxe_client_watch(const struct lxe_place *place, const struct lxe_attach *how,
	enum lxe_left *left, struct lxe_outcome *outcome, struct lxe_err *err);

/*
 * What the terminal has shown, as plain text, to `out`; with `follow` until the command ends or a
 * fatal signal comes, else what is there. Of one that has ended: what was kept.
 */
int lxe_client_logs(const struct lxe_place *place, bool follow, int out, struct lxe_err *err);

#endif
