/*
 * What of the network's options has to be looked up before a sandbox is made: where the proxy's URL is.
 * Blocks where it comes from a descriptor.
 */
#ifndef LXE_CLIENT_NETWORK_H
#define LXE_CLIENT_NETWORK_H

#include "policy/net.h"

/*
 * From net->proxy_source the URL without its userinfo, and that; both allocated, and left alone
 * without a source. Neither is in any message.
 */
int lxe_client_read_proxy(
	char **url, char **userinfo, const struct lxe_net_spec *net, struct lxe_err *err);

/* The same into `net` itself, and then lxe_net_settle(). */
int lxe_client_settle_network(struct lxe_net_spec *net, struct lxe_err *err);

#endif
