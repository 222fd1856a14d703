/*
 * What a sandbox has written in its copy-on-write binds: listed, carried over, or dropped. Of one that runs the keeper
 * gives the directories; one that has ended is held meanwhile. All that reads or writes is done by a child, with the rights
 * of the caller and no others, who in the case of an ordinary user is in his namespace (store/rootless.h): only there is
 * all of it his. The child is in a session of its own and goes on if the caller is killed. Blocks as long as there is to do.
 */
#ifndef LXE_CLIENT_COW_H
#define LXE_CLIENT_COW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/registry.h"

enum lxe_cow_act {
	LXE_COW_DIFF,
	LXE_COW_COUNT,
	LXE_COW_COMMIT,
	LXE_COW_DISCARD,
	LXE_COW_TIDY, /* take away from the source what a commit that was killed has left there */
};
enum lxe_cow_form { LXE_COW_TEXT, LXE_COW_JSON, LXE_COW_PATCH };

struct lxe_cow_how {
	enum lxe_cow_act act;
	enum lxe_cow_form form;
	bool dry;		  /* COMMIT: look for conflicts only */
	bool marks;		  /* COMMIT: the sandbox is on record as kept until all is done */
	const char *const *paths; /* of the host, or as seen inside; none: all */
	size_t n_paths;
	int out; /* the list, of DIFF; of COMMIT what was carried over, in JSON also what was not. -EBADF: nowhere */
	int conflicts;			/* a line for each. -EBADF: nowhere */
	const struct lxe_sandbox *held; /* one that has ended, if the caller has its lock already */
};

/* What there was, or was done; of COMMIT that failed, what there still is. */
struct lxe_cow_told {
	uint64_t added, modified,
		deleted; /* modified: also in type, or in nothing but its attributes */
	uint64_t conflicts;
};

/*
 * -ESTALE: COMMIT did nothing, because the source has changed as well. -EBUSY: the sandbox is in a wrong state. Where
 * there is no copy-on-write bind there is nothing to list, and that is all right, but for COMMIT and DISCARD.
 */
int lxe_client_cow(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const struct lxe_cow_how *how, struct lxe_cow_told *told, struct lxe_err *err);

/*
 * Of one that has ended and whose lock the caller has: 1 when diff would show something, 0 when not, and then nothing is
 * left in the sources either. It knows what was committed, and the top directories.
 */
int lxe_client_cow_pending(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const struct lxe_sandbox *held, const char *verb, struct lxe_err *err);

/* settle.c: is a tmpfs not enough for the layers of what is to be made? */
bool lxe_client_needs_disk(const struct lxe_spec *spec);

#endif
