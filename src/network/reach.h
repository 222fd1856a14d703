/*
 * Which of the host's nameservers a sandbox can ask itself: not those whose addresses the shield refuses to it
 * (plan.h). Reads the machine's addresses with getifaddrs(3), once for all servers; blocks for nothing else.
 */
#ifndef LXE_NETWORK_REACH_H
#define LXE_NETWORK_REACH_H

#include <ifaddrs.h>

#include "base/str.h"
#include "policy/net.h"

/* Takes the servers from the list that no packet of a sandbox reaches, unless a rule names their address. */
int lxe_reach_keep(struct lxe_strv *servers, const struct lxe_net_spec *spec);

/* Is it one of these addresses, or in the network of one of these bridges? */
bool lxe_reach_is_hosts(const struct lxe_net_addr *addr, const struct ifaddrs *list,
	bool (*is_bridge)(const char *name));

#endif
