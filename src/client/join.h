/*
 * Talking to the keeper of a sandbox that is there. Every wait has a timeout in milliseconds
 * (negative: none).
 */
#ifndef LXE_CLIENT_JOIN_H
#define LXE_CLIENT_JOIN_H

#include "client/registry.h"
#include "proto/msg.h"
#include "store/imagedir.h"

#define LXE_ANSWER_MS 30000 /* for a keeper: past it, it is stuck in a call that blocks */
/* Where it has said that it takes longer: somebody else's build, and then that one; or a commit. */
#define LXE_LONG_ANSWER_MS (2 * LXE_IMAGE_FILL_MS + LXE_ANSWER_MS)
#define LXE_KEEPER_END_MS 2000 /* for one that has said its last word */

/* A connection that has said HELLO: a descriptor, the caller's. */
int lxe_join(const struct lxe_place *place, enum lxe_role role, struct lxe_err *err);

/* The next message; the caller releases it. */
int lxe_await(int fd, int timeout_ms, struct lxe_msg *ret, struct lxe_err *err);

/*
 * One request and its answer, on a connection of its own. A keeper that says BUILDING has
 * LXE_LONG_ANSWER_MS from then on.
 */
int lxe_ask(const struct lxe_place *place, const struct lxe_msg *msg, int timeout_ms,
	struct lxe_msg *ret, struct lxe_err *err);

/* The same for a request that is answered by the sandbox's end: its keeper has ended, too. */
int lxe_ask_for_end(const struct lxe_place *place, const struct lxe_msg *msg, int timeout_ms,
	struct lxe_msg *ret, struct lxe_err *err);

/* What an EXEC carries: the spec, encoded in a memory file, the caller's. */
int lxe_spec_memfd(const struct lxe_spec *spec, struct lxe_err *err);

#endif
