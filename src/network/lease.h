/*
 * Which addresses a sandbox has. Each one has a /30 of the subnet; that it is taken is a lock on a file
 * that all sandboxes of a network namespace share (RUN/network/<inode of the namespace>.leases), at the
 * offset that the address is. The kernel ends it with its last holder, so there is nothing that could be
 * left by a crash. Nothing here waits.
 */
#ifndef LXE_NETWORK_LEASE_H
#define LXE_NETWORK_LEASE_H

#include <limits.h>
#include <netinet/in.h>
#include <stdint.h>

#include "base/err.h"
#include "network/hostnet.h"
#include "policy/net.h"

struct lxe_lease {
	int fd; /* holds it */
	struct in_addr guest4, gateway4;
	struct in6_addr guest6, gateway6; /* the same, in a network of our own */
	uint32_t number;		  /* of the /30 in its subnet */
	struct lxe_net_addr subnet;
};

/*
 * Take a free one of `subnet` (NULL: of the first of the usual ones that the host does not use). -EADDRINUSE when
 * it collides with a route of the host's, -ENOSPC when all are taken.
 */
int lxe_lease_take(struct lxe_lease *ret, const char *run, const char *subnet, const char *id,
	const struct lxe_host_net *host, struct lxe_err *err);

/* Give it back, whoever else holds a copy of `fd`. */
void lxe_lease_give_back(int fd, struct in_addr guest4);

/* Does any sandbox have one? 1, 0, or a negative errno. */
int lxe_lease_any(const char *run);

/* Pure: the i-th of a subnet, how many it has, and what IPv6 address goes with one. */
uint32_t lxe_lease_count(const struct lxe_net_addr *subnet);
void lxe_lease_guest6(struct in6_addr *ret, struct in_addr guest4);
void lxe_lease_network6(struct lxe_net_addr *ret); /* that of all of these */
void lxe_lease_addresses(struct lxe_lease *lease, const struct lxe_net_addr *subnet, uint32_t i);

#endif
