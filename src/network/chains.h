/*
 * Are there chains of sandboxes' in this network namespace, of either variant of iptables?
 */
#ifndef LXE_NETWORK_CHAINS_H
#define LXE_NETWORK_CHAINS_H

#include <stddef.h>

#include "network/netlink.h"

/*
 * Any with the name of one of these, the beginnings of ids? 1, 0, or a negative errno. The socket (NULL: opened when there is none) is the
 * caller's to close: whoever closes one of netfilter's waits until the kernel is done with what was deleted
 * before, with nftables' lock.
 */
int lxe_chains_exist(struct lxe_netlink *nl, const char *const *ids, size_t n);

#endif
