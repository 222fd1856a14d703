/*
 * The names of a sandbox's rules, in the process that makes its network: what has to be looked up before it
 * starts, the ipsets, and the configurations of its dnsmasqs. Calls block.
 */
#ifndef LXE_NETWORK_NAMING_H
#define LXE_NETWORK_NAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "network/plan.h"
#include "network/resolver.h"

#define LXE_NAMING_PROXY_MAX 8

struct lxe_naming {
	struct lxe_net_spec
		spec; /* that of the sandbox, a proxy that is a name being addresses in it */
	struct lxe_resolver_known *known; /* of what is denied by name */
	size_t n_known;
	struct lxe_net_addr proxy[LXE_NAMING_PROXY_MAX]; /* of a proxy that is a name */
	size_t n_proxy;
};

/*
 * Look up, as the host does it, the proxy and what is denied by name; a *.NAME may have no address. -ENOENT
 * with what the resolver said: a name that has none cannot be denied, nor be a proxy.
 */
int lxe_naming_look_up(
	struct lxe_naming *ret, const struct lxe_net_spec *spec, bool v6, struct lxe_err *err);
void lxe_naming_release(struct lxe_naming *naming);

/* What its dnsmasqs are to be told. */
int lxe_naming_configure(struct lxe_resolver_plan *ret, const struct lxe_naming *naming,
	const struct lxe_net_plan_in *plan, struct lxe_err *err);

/* When there is an address to listen on: tell them. The pipes stay the caller's. */
int lxe_naming_tell(const struct lxe_resolver_plan *configs, const int *pipes, size_t n_pipes,
	struct lxe_err *err);

/* The sets, before the rules that match them. */
int lxe_naming_make_sets(
	const struct lxe_naming *naming, const struct lxe_net_plan_in *plan, struct lxe_err *err);

/* Every set of the sandbox's, when no rule matches it any more. 0 as well when there was none. */
int lxe_naming_remove_sets(const char *id8, struct lxe_err *err);

#endif
