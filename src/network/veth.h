/*
 * The pair of network devices of a sandbox: one end on the host, whose name was chosen beforehand, the
 * other, "eth0", made straight in the container's network namespace. Calls block as netlink's do;
 * whatever fails half-way is removed by lxe_veth_await_end(), or ends with the container.
 */
#ifndef LXE_NETWORK_VETH_H
#define LXE_NETWORK_VETH_H

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "base/err.h"
#include "network/netlink.h"

#define LXE_VETH_INSIDE "eth0"
#define LXE_VETH_PREFIX4 30
#define LXE_VETH_PREFIX6 126

struct lxe_veth {
	char name[IFNAMSIZ]; /* on the host */
	struct in_addr guest4, gateway4;
	bool v6; /* else IPv6 is off at both ends */
	struct in6_addr guest6, gateway6;
	bool localnet; /* ports are published on the host's loopback (lxe_net_wants_localnet()) */
};

/*
 * Make the pair, addresses and default routes included, between the caller's network namespace and that
 * of the process `pidfd`. Both are ready to send when it returns. Changes to the other namespace and back.
 */
int lxe_veth_create(const struct lxe_veth *veth, int pidfd, struct lxe_err *err);

/* Nothing passes from now on. 0 also when there is none. */
int lxe_veth_cut(struct lxe_netlink *nl, const char *name);

/* Wait for its end with that of its namespace, at most timeout_ms; then remove it. 0 when it is gone. */
int lxe_veth_await_end(struct lxe_netlink *nl, const char *name, int timeout_ms);

#endif
