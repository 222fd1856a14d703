/*
 * The firewall of a sandbox as text for iptables-restore(8) and ip6tables-restore(8). Pure: whoever
 * applies it runs them with --noflush -w, before the veth exists. A plan owns its texts.
 *
 * Everything of a sandbox is in chains that begin with LXE-<id8>-, to which one jump each leads from the
 * top of FORWARD, INPUT and OUTPUT (and of nat's PREROUTING, OUTPUT and POSTROUTING), keyed by the veth.
 * Nothing else is touched.
 *
 *   E  from the sandbox: what is allowed, whoever it is for; all else goes to
 *   R  which logs (NFLOG, rate-limited) and rejects, so that nobody waits for a timeout
 *   I  to the sandbox: answers, and published ports; all else is logged (NFLOG, rate-limited) and dropped, or
 *      rejected when it is another sandbox's
 *   K  from the sandbox by a device that was not known when the rules were made: on to R
 *   F  past the sandboxes, by a device that forwards for their sake alone: nothing
 *   D  nat: published ports; S nat: the host's address instead of the sandbox's
 */
#ifndef LXE_NETWORK_PLAN_H
#define LXE_NETWORK_PLAN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "policy/net.h"

#define LXE_NET_ID_LEN 8
/* What the names of all veths of sandboxes begin with, by which the rules tell neighbours: lxe<id8>. */
#define LXE_NET_VETH_PREFIX "lxe"
/* What the log's prefix lxe-<id8> ends with: nothing for what went out, and otherwise this. */
#define LXE_NET_LOG_TO_SANDBOX "-to"
#define LXE_NET_LOG_IN "-in"
#define LXE_NET_LOG_SANDBOX "-sb" /* in, from another sandbox */
#define LXE_NET_SET_NAME 32	  /* bytes of an ipset's name */

/* A device that forwards for the sandboxes' sake alone. */
struct lxe_net_guard {
	enum lxe_net_family family;
	char link[16];
	bool bridge;
};

struct lxe_net_plan_in {
	const struct lxe_net_spec *spec;
	const char *id8;  /* the first LXE_NET_ID_LEN digits of the sandbox's id */
	const char *veth; /* its name on the host's side */
	struct in_addr guest4, gateway4;
	bool v6; /* else IPv6 of the veth is dropped altogether */
	struct in6_addr guest6, gateway6;
	/* Networks that are denied unless named by address: those of the host's bridges, the subnet. */
	const struct lxe_net_addr *shielded;
	size_t n_shielded;
	/* Networks in which sandboxes' resolvers are, whatever is allowed by address. */
	const struct lxe_net_addr *subnets;
	size_t n_subnets;
	/* By which devices what no rule names by address may leave; others' networks are not known to be shielded. */
	const struct lxe_strv *links;
	const struct lxe_net_guard *guards;
	size_t n_guards;
	uint16_t nflog_group;
	bool dns; /* a resolver of ours listens on the gateway's addresses, port 53 */
};

/* Whole texts, ready to be written to standard input. */
struct lxe_net_plan {
	char *v4, *v6;		 /* that which puts it in force */
	char *undo_v4, *undo_v6; /* that which takes all of it back */
};

int lxe_net_plan(struct lxe_net_plan *ret, const struct lxe_net_plan_in *in, struct lxe_err *err);
void lxe_net_plan_release(struct lxe_net_plan *plan);

/*
 * What `saved`, the output of iptables-save(8), still has of a sandbox, as the text that removes exactly
 * that: for a plan that is half in force, or stale. *ret is NULL when there is nothing. Allocated.
 */
int lxe_net_plan_sweep(char **ret, const char *saved, const char *id8, struct lxe_err *err);

/*
 * The ipset (hash:ip, of that family) with the addresses of a rule that is a name: the i-th of
 * lxe_net_allowed() or, with `deny`, of lxe_net_denied(). It has to exist before the plan is applied.
 */
void lxe_net_set_name(char buf[LXE_NET_SET_NAME], const char *id8, bool deny, size_t i,
	enum lxe_net_family family);

/*
 * Has the veth to be told to route what the host sends from 127.0.0.1 (net.ipv4.conf.VETH.route_localnet)?
 * For ports that are published on the loopback, too.
 */
bool lxe_net_wants_localnet(const struct lxe_net_spec *spec);

/* Is it among what every sandbox is refused unless a rule names it by address? */
bool lxe_net_always_shields(const struct lxe_net_addr *addr);
/* The i-th of these as text, or NULL. */
const char *lxe_net_shielded(enum lxe_net_family family, size_t i);

/* Does a rule need an ipset? */
static inline bool lxe_net_rule_has_set(const struct lxe_net_rule *rule)
{
	return rule->host == LXE_NET_NAME || rule->host == LXE_NET_BELOW;
}

/*
 * The rule whose set that of the i-th is: the first that is a name and has the same protocol and ports. So ten
 * thousand names take as many sets, and lines of the firewall, as they have different ports.
 */
size_t lxe_net_set_of(const struct lxe_net_rule *rules, size_t i);

#endif
