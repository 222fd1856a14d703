/*
 * The kernel's table of connections, which outlives a sandbox: whoever gets its address next must not be
 * answered by what it has begun. Calls block until the kernel has answered. Needs CAP_NET_ADMIN.
 */
#ifndef LXE_NETWORK_CONNTRACK_H
#define LXE_NETWORK_CONNTRACK_H

#include <stdbool.h>

#include "network/netlink.h"
#include "policy/net_rule.h"

/*
 * Forget every connection that began at one of these addresses, or whose answers come from it. How many they
 * were, or a negative errno; a kernel without such a table has none. The kernel walks through its whole
 * table for it, some 13 ms whatever is in it, more often where it is well filled: a sandbox that nothing ever
 * left or entered is better not asked about.
 */
int lxe_conntrack_flush(const struct lxe_net_addr *addrs, size_t n);

/*
 * Has anything passed the device? Also true of one that is gone, or cannot be asked about. `nl` is of
 * NETLINK_ROUTE.
 */
bool lxe_conntrack_may_have(struct lxe_netlink *nl, const char *veth);

#endif
