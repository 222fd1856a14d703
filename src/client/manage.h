/*
 * What can be done with a sandbox that is there, by whoever may. Each call opens a connection of its
 * own, changes nothing in the calling process, and waits at most as long as it is told (timeout_ms,
 * negative: no limit) or LXE_ANSWER_MS, and for a start that a commit holds up, LXE_LONG_ANSWER_MS.
 * In a wrong state: -EBUSY, with the state in the message.
 */
#ifndef LXE_CLIENT_MANAGE_H
#define LXE_CLIENT_MANAGE_H

#include "client/registry.h"

/* Release the parked command of one that is created. */
int lxe_client_start(
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err);

/* Send a signal to its command. */
int lxe_client_signal(const struct lxe_place *place, int signal, struct lxe_err *err);

/*
 * End its command: by its stop signal first, unless grace_ms is 0, and by SIGKILL of everything after
 * that. What is kept is stopped then, everything else is gone.
 */
int lxe_client_stop(const struct lxe_place *place, int signal, uint64_t grace_ms,
	struct lxe_outcome *outcome, struct lxe_err *err);

/* Wait for the end of its command; of one that has ended, how it did. -ETIMEDOUT. */
int lxe_client_wait(const struct lxe_place *place, int timeout_ms, struct lxe_outcome *outcome,
	struct lxe_err *err);

/* Remove it with all that it has kept; one that runs only with `force`. */
int lxe_client_destroy(const struct lxe_place *place, bool force, struct lxe_outcome *outcome,
	struct lxe_err *err);

/* The refusal of a verb that does not go with its state: -EBUSY, with what helps. */
int lxe_client_wrong_state(const struct lxe_info *info, const char *verb, struct lxe_err *err);

#endif
