/*
 * The steps of a sandbox's network, in the process that takes them (lxc-exec-net, work.h). What RULES has
 * found out is kept for LINK. Calls block.
 */
#ifndef LXE_NETWORK_SETUP_H
#define LXE_NETWORK_SETUP_H

#include "base/err.h"
#include "network/apply.h"
#include "network/lease.h"
#include "network/work.h"
#include "policy/spec.h"

struct lxe_net_setup {
	struct lxe_lease lease; /* its fd is -EBADF before it is taken */
	struct lxe_net_given given;
	bool localnet;	      /* as of struct lxe_veth */
	int undo_v4, undo_v6; /* texts as files, or negative */
	int log;	      /* of given.nflog_group, or a negative errno */
	struct lxe_resolver_plan configs;
	int pipes[LXE_RESOLVERS_MAX]; /* to the dnsmasqs that wait for them */
	size_t n_pipes;
};

void lxe_net_setup_init(struct lxe_net_setup *setup);
void lxe_net_setup_release(struct lxe_net_setup *setup);

/* The spec of the sandbox whose directory this is: to be released. */
int lxe_net_read_spec(struct lxe_spec *ret, int dir, struct lxe_err *err);

int lxe_net_make_rules(struct lxe_net_setup *setup, const struct lxe_net_ask *ask,
	const struct lxe_net_spec *spec, struct lxe_err *err);
int lxe_net_make_link(
	struct lxe_net_setup *setup, const struct lxe_net_ask *ask, int pidfd, struct lxe_err *err);

/*
 * Everything back: first nothing passes any more, then the rules go while the device is waited for, and
 * forwarding when the lease is given back. One part that fails does not stop the others.
 */
struct lxe_net_undo {
	const struct lxe_net_ask *ask;
	int lease; /* negative: not there */
	struct lxe_net_applied applied;
};
int lxe_net_undo(const struct lxe_net_undo *undo, struct lxe_err *err);

#endif
