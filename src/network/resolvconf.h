/*
 * resolv.conf(5): which servers a host asks, and what a sandbox is given. Pure.
 */
#ifndef LXE_NETWORK_RESOLVCONF_H
#define LXE_NETWORK_RESOLVCONF_H

#include "base/str.h"
#include "policy/net.h"

/* Adds the servers of a resolv.conf to the list, as they are written there; what is none is left out. */
int lxe_resolvconf_servers(struct lxe_strv *ret, const char *text);

/* Is it an address of the machine itself, where a sandbox would look into itself? */
bool lxe_resolvconf_is_local(const char *server);

/* The text of one with these servers; with none, `why` as a comment. Allocated. */
int lxe_resolvconf_text(char **ret, const struct lxe_strv *servers, const char *why);

/* May a sandbox ask this server, by what its rules say of addresses? */
bool lxe_resolvconf_is_allowed(const struct lxe_net_rule *allowed, size_t n_allowed,
	const struct lxe_net_rule *denied, size_t n_denied, enum lxe_net_mode mode,
	const char *server);

#endif
