/*
 * Forwarding between the sandboxes' devices and the host's. It is switched on for each device that a
 * route leads to, not for the host as a whole, and what was before is written down first, in a file
 * that all sandboxes of a network namespace share. Whoever is the last one undoes it. Whether there are
 * others is asked of the leases, which the kernel keeps: nothing is counted, so nothing is miscounted
 * after a crash. Both calls wait for a lock that is held for less than a millisecond.
 */
#ifndef LXE_NETWORK_FORWARDING_H
#define LXE_NETWORK_FORWARDING_H

#include <stdbool.h>

#include "base/err.h"
#include "network/hostnet.h"
#include "network/plan.h"

/*
 * The devices that lxe_forwarding_begin() is about to switch on, or that another has: what comes in by these and is
 * not for a sandbox is to be dropped as before. Allocated.
 */
int lxe_forwarding_guards(const char *run, const struct lxe_host_net *host, bool v6,
	struct lxe_net_guard **ret, size_t *n, struct lxe_err *err);

/* With a lease in hand, so that nobody undoes it. */
int lxe_forwarding_begin(
	const char *run, const struct lxe_host_net *host, bool v6, struct lxe_err *err);

/*
 * When the lease is given back: undo it, unless a sandbox has one, or there is a device of one that another run directory has. Where somebody has switched on forwarding
 * as a whole since, nothing is changed: he relies on it.
 */
int lxe_forwarding_end(const char *run, struct lxe_err *err);

/*
 * Can packets over IPv6 be forwarded without changing what the host itself does? Otherwise it would forget the
 * routes that it has learnt from routers (Documentation/networking/ip-sysctl.rst, "forwarding").
 */
bool lxe_forwarding_v6_is_harmless(void);

#endif
