/*
 * A plan's texts put in force, and taken back: one transaction of iptables-restore(8) and one of
 * ip6tables-restore(8) for each table, with the variant (nft or legacy) that this host's iptables is. Calls block.
 */
#ifndef LXE_NETWORK_APPLY_H
#define LXE_NETWORK_APPLY_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Texts; NULL: none. All of it, or -errno and perhaps one of the two. Those of
 * other sandboxes of the run directory that begin or end now may go with them (together.h).
 */
int lxe_net_apply(
	const char *run, const char *id8, const char *v4, const char *v6, struct lxe_err *err);

/*
 * Remove whatever there is with this sandbox's name, in both families, by whichever variant it was made. What was
 * put in force by this host's iptables can go by the texts that its plan has for this (files); without them, or
 * when they fail, the rules are read and cleared one by one. 0 when nothing is left, also when nothing was.
 */
int lxe_net_withdraw(
	const char *run, const char *id8, int undo_v4, int undo_v6, struct lxe_err *err);

#endif
