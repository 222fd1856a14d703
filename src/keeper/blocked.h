/*
 * What the sandbox wanted to reach and may not: the keeper listens to what the firewall logs of it, is told of
 * the names that its resolver refuses, keeps a table, in a file beside the record for whoever inspects, and tells it with each outcome. A
 * sandbox without network has none of this.
 */
#ifndef LXE_KEEPER_BLOCKED_H
#define LXE_KEEPER_BLOCKED_H

#include <stdint.h>

#include "keeper/keeper.h"
#include "policy/net_rule.h"

/*
 * Listen to the socket, which it owns then, of the group of netfilter's log to which the rules of the sandbox
 * send. That there is none, a negative errno, is noted in the sandbox's log, and is no failure: nothing is let through by it.
 */
void lxe_blocked_open(struct lxe_keeper *k, int log, const struct lxe_net_addr *subnet);

/* All that has been logged so far, into an outcome. */
void lxe_blocked_tell(struct lxe_keeper *k, struct lxe_outcome *o);

/* No longer listen to the socket: it is the caller's. Negative: there is none. */
int lxe_blocked_take_log(struct lxe_keeper *k);

void lxe_blocked_close(struct lxe_keeper *k);

#endif
