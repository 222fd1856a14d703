/* How the texts of a plan are put together: what plan.c and plan_nat.c share, and nobody else. Pure. */
#ifndef LXE_NETWORK_PLAN_TEXT_H
#define LXE_NETWORK_PLAN_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "network/plan.h"

#define LXE_NET_CHAIN 24 /* bytes of a chain's name */
#define LXE_NET_DNS_PORT 53

extern const char *const lxe_net_dns_protos[2];

struct lxe_net_text {
	const struct lxe_net_plan_in *in;
	FILE *out;
	enum lxe_net_family family;
	char egress[LXE_NET_CHAIN], refuse[LXE_NET_CHAIN], ingress[LXE_NET_CHAIN];
	char foreign[LXE_NET_CHAIN], known[LXE_NET_CHAIN];
	char dnat[LXE_NET_CHAIN], snat[LXE_NET_CHAIN];
	char guest[LXE_NET_ADDR_TEXT], gateway[LXE_NET_ADDR_TEXT];
	struct lxe_net_rule *allowed, *denied;
	size_t n_allowed, n_denied;
	bool publishes, publishes_loopback; /* to this family */
};

void lxe_net_put_chain(const struct lxe_net_text *p, const char *chain);
void lxe_net_drop_chain(const struct lxe_net_text *p, const char *chain);

bool lxe_net_publishes(const struct lxe_net_text *p, const struct lxe_net_publish *port);

/* What is refused unless it is named by address, and the ports of others' resolvers, which are whatever is named. */
void lxe_net_put_shields(const struct lxe_net_text *p);
void lxe_net_put_others_resolvers(const struct lxe_net_text *p);

/* What leaves by a device that is not known, and what takes that back. Nothing where nothing could. */
bool lxe_net_looks_at_links(const struct lxe_net_text *p);
void lxe_net_put_links(const struct lxe_net_text *p);

/* What is not to be forwarded, and what takes that back. */
void lxe_net_put_guards(const struct lxe_net_text *p);
void lxe_net_undo_guards(const struct lxe_net_text *p);

/* The table nat, and what takes it back. */
void lxe_net_put_nat(const struct lxe_net_text *p);
void lxe_net_undo_nat(const struct lxe_net_text *p);

#endif
