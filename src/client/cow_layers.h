/*
 * The copy-on-write layers of one sandbox, found and opened. Two steps: what only this process can do (talk to the keeper,
 * hold the sandbox), and what is done in the child, where the files are the caller's (cow.h). Private to cow*.c.
 */
#ifndef LXE_CLIENT_COW_LAYERS_H
#define LXE_CLIENT_COW_LAYERS_H

#include <sys/types.h>

#include "changes/changes.h"
#include "client/cow.h"
#include "store/sandbox.h"

struct lxe_cow_one {
	const struct lxe_mount *mount;
	size_t index;		    /* in the spec's list */
	int source;		    /* the directory below, as the caller has it */
	int dir;		    /* the layer's */
	bool empty;		    /* nothing was ever written */
	char *real;		    /* the source's path without symlinks */
	struct lxe_cow_layer layer; /* its descriptors are to be closed, too */
};

struct lxe_cow_layers {
	struct lxe_info info;
	struct lxe_sandbox held; /* of one that has ended */
	bool borrowed;		 /* and it is the caller's */
	bool drops;		 /* nothing is done to the sources: they may be gone */
	int keeper; /* of one that runs: nothing inside goes on before its end, if that was asked for */
	struct lxe_cow_one *v;
	size_t n;
};

/* For DISCARD it has to have ended; for COMMIT what runs is frozen. Released also on failure. */
int lxe_cow_layers_find(struct lxe_cow_layers *ret, const struct lxe_place *place,
	const struct lxe_dirs *dirs, const char *verb, const struct lxe_cow_how *how,
	struct lxe_err *err);

/* In the child. `alone`: whoever else has asked for that is waited for. */
int lxe_cow_layers_open(struct lxe_cow_layers *layers, bool alone, struct lxe_err *err);

void lxe_cow_layers_release(struct lxe_cow_layers *layers);

#endif
