/*
 * How long a sandbox may exist (--ttl), and how long nobody may use it (--idle). It is used while a
 * client runs a command in it or is attached, and at each message, end of a connection, and output of
 * a terminal that nobody drives. That moment is noted; nothing wakes up for it: the timer of an idle
 * sandbox looks at it once each period, and is set anew for the rest. Nothing here blocks.
 */
#ifndef LXE_KEEPER_LIFE_H
#define LXE_KEEPER_LIFE_H

#include <stdint.h>

#include "base/err.h"
#include "keeper/loop.h"
#include "store/outcome.h"

struct lxe_keeper;

enum lxe_expiry { LXE_EXPIRY_NONE, LXE_EXPIRY_TTL, LXE_EXPIRY_IDLE };

struct lxe_keeper_life {
	struct lxe_timer ttl, idle;
	uint64_t used_ms; /* CLOCK_MONOTONIC */
	enum lxe_expiry expired;
};

/* From now on; the sandbox was made at created_at_ms (since the Epoch). */
void lxe_life_begin(struct lxe_keeper *k, uint64_t created_at_ms);
void lxe_life_end(struct lxe_keeper *k);

/* One that is started again: its files have the owners that they had, and how it ended is of no interest any more. */
void lxe_life_resume(struct lxe_keeper *k);

/* Somebody uses it at this moment. */
void lxe_life_used(struct lxe_keeper *k);

/* Why it was ended, with the rule and its option; nothing when its time was not over. */
void lxe_life_tell(const struct lxe_keeper *k, struct lxe_outcome *ret);

/* "1500 ms", "90 s". */
void lxe_life_duration(char *buf, size_t size, uint64_t ms);

#endif
