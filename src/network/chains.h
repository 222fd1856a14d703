/*
 * Which chains of sandboxes' are there in this network namespace, of either variant of iptables?
 */
#ifndef LXE_NETWORK_CHAINS_H
#define LXE_NETWORK_CHAINS_H

#include <stddef.h>

#include "network/merge.h"
#include "network/netlink.h"

/* A bit for each table of each family, 0: IPv4, 1: IPv6. */
#define LXE_CHAINS_IN(family, table) (1U << ((family)*LXE_TABLES + (table)))

struct lxe_chains {
	const char *id;	     /* the beginning of one, as in the names of its chains */
	unsigned int wanted; /* where there are to be any; 0: nowhere */
	unsigned int in;     /* filled in: where there are */
};

/*
 * Is it so for all of them? 1, 0, or a negative errno. A transaction makes all of a table's chains,
 * with their rules, or none. The socket (NULL: opened) is the caller's to close: whoever closes one
 * of netfilter's waits until the kernel is done with what was deleted before, with nftables' lock.
 */
int lxe_chains_are(struct lxe_netlink *nl, struct lxe_chains *list, size_t n);

#endif
