/*
 * Sandboxes that have ended and are kept: to do something with what they have kept, its owner is needed, and
 * that is whoever takes the lock. Waits for a keeper that is just ending, two seconds at most.
 */
#ifndef LXE_CLIENT_AGAIN_H
#define LXE_CLIENT_AGAIN_H

#include "client/registry.h"
#include "store/sandbox.h"

/* Is it stopped, or has it failed? */
bool lxe_client_has_ended(const struct lxe_place *place);

/* 0 for one that has, when nobody ends it any more; otherwise as below. */
int lxe_client_look(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *verb,
	struct lxe_err *err);

/*
 * Take the lock of one that is stopped, or has failed: *ret is released by the caller. Otherwise -EBUSY with its
 * state and what helps. What a restart of the machine has left of it is ended first.
 */
int lxe_client_hold(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *verb,
	struct lxe_sandbox *ret, struct lxe_err *err);

/* The same, to start it again: its journal and its record begin anew, with the name and the spec they have. */
int lxe_client_renew(const struct lxe_place *place, const struct lxe_dirs *dirs,
	struct lxe_sandbox *ret, struct lxe_err *err);

/*
 * Bring it to where lxe_client_start() releases its command. Secrets are kept nowhere: `secrets` are to be read
 * anew, and may be none.
 */
int lxe_client_start_again(const struct lxe_place *place, const struct lxe_dirs *dirs,
	struct lxe_strv *secrets, struct lxe_outcome *outcome, struct lxe_err *err);

#endif
