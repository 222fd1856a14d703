/*
 * The resolver of a sandbox, as texts: the configuration of a dnsmasq(8) that answers for the names in
 * its rules and for nothing else, and the ipsets that it fills with what it has answered. Pure; whoever
 * runs the two programs gives the texts to their standard inputs. Texts are allocated.
 *
 * A name answers if a rule allows it; all others do not exist (NXDOMAIN, which no program tries again).
 * Nothing is cached, so that every answer that reaches the sandbox has gone through the sets of its rules
 * just before: an address is in them for LXE_RESOLVER_STAYS_S after the last answer that had it, and no
 * answer says that it is good for more than LXE_RESOLVER_TTL_S. What was connected by then stays so.
 *
 * An answer with an address that no allow rule gives and that lies where only the host or its
 * neighbourhood is (DNS rebinding) does not exist either. 
 * docs/adr/0012 says what dnsmasq makes of a name and of those below it: where their ports differ it takes
 * three of them, two of which hear only from the first.
 */
#ifndef LXE_NETWORK_RESOLVER_H
#define LXE_NETWORK_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "policy/net.h"

#define LXE_RESOLVER_TTL_S 60
#define LXE_RESOLVER_STAYS_S 600

/* An address that a rule's name had at the start; it stays in the rule's set. */
struct lxe_resolver_known {
	bool deny;
	size_t set; /* lxe_net_set_of() that rule, among the allowed or the denied */
	struct lxe_net_addr addr;
};

struct lxe_resolver_in {
	const struct lxe_net_spec *spec;
	const char *id8;
	const char *listen;		 /* the gateway's address, of IPv4 */
	const struct lxe_strv *upstream; /* ADDRESS, or ADDRESS#PORT; at least one */
	bool v6;			 /* there is IPv6 in the sandbox */
	/* Networks beside the usual ones that no answer may lead to (struct lxe_net_plan_in). */
	const struct lxe_net_addr *shielded;
	size_t n_shielded;
	const struct lxe_resolver_known *known;
	size_t n_known;
};

#define LXE_RESOLVERS_MAX 3

/*
 * How many dnsmasqs it takes: 0 when no rule is a name and no name has to be answered. `servers` are those
 * of the host's resolv.conf. Or -ENOMEM.
 */
int lxe_resolver_count(const struct lxe_net_spec *spec, const struct lxe_strv *servers);

/*
 * The configurations, as many as lxe_resolver_count() says and at least one: the first is the one that is asked. They are to run all; each
 * says that it listens, `started`, on its standard error. -E2BIG: more rules for one name than dnsmasq
 * can be told.
 */
struct lxe_resolver_plan {
	char *config[LXE_RESOLVERS_MAX];
	size_t n;
};
int lxe_resolver_plan(
	struct lxe_resolver_plan *ret, const struct lxe_resolver_in *in, struct lxe_err *err);
void lxe_resolver_plan_release(struct lxe_resolver_plan *plan);

/* The sets of all rules for `ipset restore`, with what is known. *ret is NULL when no rule has one. */
int lxe_resolver_sets(char **ret, const struct lxe_resolver_in *in, struct lxe_err *err);

#endif
