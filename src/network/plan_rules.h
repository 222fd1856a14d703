/* The lines of a plan that come from rules. For plan.c alone; pure. */
#ifndef LXE_NETWORK_PLAN_RULES_H
#define LXE_NETWORK_PLAN_RULES_H

#include <stdbool.h>
#include <stdio.h>

#include "policy/net_rule.h"

struct lxe_net_lines {
	FILE *out;
	const char *id8;
	enum lxe_net_family family;
	bool deny; /* of which list the rules are */
};

/*
 * Rules that name an address are decided before what is shielded, those that name a host or everywhere
 * after it.
 */
enum lxe_net_rank { LXE_NET_BY_ADDR, LXE_NET_BY_NAME };

enum lxe_net_rank lxe_net_rank(const struct lxe_net_rule *rule);

/* "-A CHAIN … -j TARGET", one or more, or none where the rule is of the other family. */
void lxe_net_put_rule(const struct lxe_net_lines *l, const struct lxe_net_rule *rule, size_t i,
	const char *chain, const char *target);

#endif
