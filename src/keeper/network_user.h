/*
 * A network for an ordinary user's sandbox: slirp4netns(1), or pasta(1) where that is not installed, which makes
 * the connections on the host as one of his programs. There are no rules on the host then, because they are root's: what he may reach his sandbox may, but for the
 * host's own loopback and clouds' metadata (network/user_deny.h). It is a child of the keeper, ends with it, and leaves nothing that would have to be taken back.
 */
#ifndef LXE_KEEPER_NETWORK_USER_H
#define LXE_KEEPER_NETWORK_USER_H

#include "keeper/keeper.h"

struct lxe_user_network {
	pid_t pid; /* 0: none */
	int alive; /* it ends with the last holder of this pipe's end */
};

#define LXE_USER_NETWORK_NONE ((struct lxe_user_network){ .alive = -EBADF })

/* Can there be one of that kind? What cannot be enforced is refused. */
int lxe_user_network_check(const struct lxe_net_spec *spec, struct lxe_err *err);

/* Start it for the container whose pid 1 is up, and wait until it works; and tell the sandbox whom to ask for names. */
int lxe_user_network_connect(
	struct lxe_keeper *k, struct lxe_user_network *net, struct lxe_err *err);

/* End it. Its exit is reaped with the keeper's other children. */
void lxe_user_network_end(struct lxe_user_network *net);

#endif
