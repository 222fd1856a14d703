/*
 * The ports of the host that lead to a sandbox are taken for as long as it lives: nothing listens behind
 * these sockets, but nobody else can mean the same port, neither a program nor another sandbox.
 */
#ifndef LXE_KEEPER_PORTS_H
#define LXE_KEEPER_PORTS_H

#include <stddef.h>

#include "base/err.h"
#include "policy/net.h"

struct lxe_ports {
	int *fds;
	size_t n;
};

/* All of them, or none and an error: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES. */
int lxe_ports_take(struct lxe_ports *ret, const struct lxe_net_spec *net, struct lxe_err *err);
void lxe_ports_release(struct lxe_ports *ports);

#endif
