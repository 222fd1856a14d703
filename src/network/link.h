/*
 * Waiting for what becomes of a network device, in the caller's network namespace or in that of a socket. Calls block.
 */
#ifndef LXE_NETWORK_LINK_H
#define LXE_NETWORK_LINK_H

#include "network/netlink.h"

/*
 * Until it is ready to send. `news` is another socket of the same namespace (NETLINK_ROUTE, no groups yet): what is told
 * while an answer is awaited would be lost on the same one. -ETIMEDOUT after two seconds.
 */
int lxe_link_await_up(struct lxe_netlink *nl, struct lxe_netlink *news, unsigned int index);

/* Until it is gone, at most timeout_ms: 0, or its index. */
unsigned int lxe_link_await_end(const char *name, int timeout_ms);

#endif
