/*
 * A plan's texts put in force, and taken back: one transaction of iptables-restore(8) and one of
 * ip6tables-restore(8) for each table, with the variant (nft or legacy) that this host's iptables is. Calls block.
 */
#ifndef LXE_NETWORK_APPLY_H
#define LXE_NETWORK_APPLY_H

#include <errno.h>

#include "base/err.h"

/*
 * Texts; NULL: none. All of it, or -errno and perhaps one of the two. Those of
 * other sandboxes of the run directory that begin or end now may go with them (together.h).
 */
int lxe_net_apply(
	const char *run, const char *id8, const char *v4, const char *v6, struct lxe_err *err);

/* What there is of one that was put in force: each a descriptor, or negative. */
struct lxe_net_applied {
	int undo_v4, undo_v6; /* the texts that its plan has for taking it back; the caller's */
	int log;	      /* where it is heard what it blocks; see together.h */
};

#define LXE_NET_APPLIED_NONE \
	((struct lxe_net_applied){ .undo_v4 = -EBADF, .undo_v6 = -EBADF, .log = -EBADF })

/*
 * Remove whatever there is with this sandbox's name, in both families, by whichever variant it was
 * made. What was put in force by this host's iptables can go by the texts for this; without them, or
 * when they fail, the rules are read and cleared one by one. 0 when nothing is left, also when nothing
 * was. Takes `log`, also when it fails.
 */
int lxe_net_withdraw(const char *run, const char *id8, const struct lxe_net_applied *applied,
	struct lxe_err *err);

#endif
