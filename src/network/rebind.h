/*
 * Where no answer of the DNS may lead, unless a rule names that network by address: loopback, private,
 * link-local, shared and multicast ranges, and the host's own networks. Pure.
 */
#ifndef LXE_NETWORK_REBIND_H
#define LXE_NETWORK_REBIND_H

#include <stddef.h>

#include "base/err.h"
#include "policy/net.h"

struct lxe_rebind_in {
	enum lxe_net_mode
		mode; /* open: private networks can be reached, so that answers may lead there */
	const struct lxe_net_rule *allowed;
	size_t n_allowed;
	const struct lxe_net_addr *shielded; /* the host's own */
	size_t n_shielded;
};

/* Calls `visit` with networks that together are the ranges without what is allowed. 0 or -ENOMEM. */
typedef void (*lxe_rebind_visit)(void *arg, const struct lxe_net_addr *net);
int lxe_rebind_ranges(const struct lxe_rebind_in *in, lxe_rebind_visit visit, void *arg);

#endif
