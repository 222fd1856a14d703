/*
 * What the host's own network looks like, as far as a sandbox's has to fit in: routes, bridges, IPv6. A
 * snapshot, taken over netlink; it owns its lists.
 */
#ifndef LXE_NETWORK_HOSTNET_H
#define LXE_NETWORK_HOSTNET_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/net.h"

struct lxe_host_link {
	unsigned int index;
	char name[IFNAMSIZ];
	bool bridge, loopback;
	bool port; /* of a bridge or the like: nothing is routed there */
};

struct lxe_host_route {
	struct lxe_net_addr to; /* prefix 0: the default */
	unsigned int out;	/* index of a device, 0: several or none */
	uint8_t protocol;	/* RTPROT_*: who made it */
};

struct lxe_host_net {
	struct lxe_host_link *links;
	size_t n_links;
	struct lxe_host_route *routes; /* of all tables, those that lead somewhere */
	size_t n_routes;
	bool whole; /* nothing has changed while it was read: whose device is not there has gone */
};

int lxe_host_net_read(struct lxe_host_net *ret, struct lxe_err *err);
void lxe_host_net_release(struct lxe_host_net *host);

const struct lxe_host_link *lxe_host_link_of(const struct lxe_host_net *host, unsigned int index);

/* Is it the host's end of a sandbox's pair? */
bool lxe_host_link_is_ours(const struct lxe_host_link *link);

/*
 * A route of the host's that shares addresses with the network, and is neither the default nor, unless
 * `sandboxes`, one to a sandbox; or NULL.
 */
const struct lxe_host_route *lxe_host_net_collision(
	const struct lxe_host_net *host, const struct lxe_net_addr *net, bool sandboxes);

/* The networks of its bridges: allocated, free(*ret). */
int lxe_host_net_bridged(const struct lxe_host_net *host, struct lxe_net_addr **ret, size_t *n);

/* Has the host a default route over IPv6? With `learnt`, also one that a router has told it. */
bool lxe_host_net_has_v6(const struct lxe_host_net *host, bool learnt);

#endif
