/*
 * The dnsmasqs of a sandbox (network/resolver.h): children of the keeper in the cgroup of pid 1, which end
 * with the one or the other. They run as an ordinary user, with what it takes to listen on port 53 and to fill
 * ipsets. Whoever makes the network writes their configurations into pipes when there is an address to listen
 * on. On their standard error they say that they listen, and what they refuse.
 *
 * The end of one while the sandbox lives is noted in the sandbox's log; no name is known inside then.
 */
#ifndef LXE_KEEPER_RESOLVER_H
#define LXE_KEEPER_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "keeper/loop.h"
#include "network/dnslog.h"
#include "network/resolver.h"

struct lxe_keeper;

struct lxe_dnsmasq {
	struct lxe_keeper *keeper;
	int config; /* the pipe with its configuration, before it is started */
	int log;    /* its standard error */
	struct lxe_source source;
	bool listening, over;
	char line[512]; /* the line that is being read; what of it is too long is left out */
	size_t len;
	char last[256]; /* what it has said last */
};

struct lxe_keeper_resolver {
	struct lxe_dnsmasq dnsmasq[LXE_RESOLVERS_MAX];
	size_t n;
	bool ready;
	struct lxe_dnslog *log;	 /* NULL: none of them */
	struct lxe_strv servers; /* of the host's resolv.conf */
};

/*
 * In the host's view of the mounts: what is needed is looked at, and the pipes are made. `writing` gets as
 * many ends, the caller's. 0 of them: no resolver. -ENOENT with a hint: there is no dnsmasq.
 */
int lxe_keeper_resolver_open(
	struct lxe_keeper *k, int writing[LXE_RESOLVERS_MAX], size_t *n, struct lxe_err *err);

/* When the cgroup is there: they are executed, and wait for their configurations. */
int lxe_keeper_resolver_start(struct lxe_keeper *k, struct lxe_err *err);

/* Before the command begins: until all of them listen. */
int lxe_keeper_resolver_await(struct lxe_keeper *k, struct lxe_err *err);

/* Stop listening to them. Their end is that of their cgroup. */
void lxe_keeper_resolver_release(struct lxe_keeper *k);

/* The addresses of a proxy that is a name, and of the gateway. */
struct lxe_resolver_given {
	struct in_addr gateway4;
	const struct lxe_net_addr *proxy;
	size_t n_proxy;
};

/* Write the sandbox's resolv.conf, and into its hosts where the proxy is. Before its command begins. */
int lxe_keeper_resolver_files(
	struct lxe_keeper *k, const struct lxe_resolver_given *given, struct lxe_err *err);

/*
 * Read what they have logged so far. What is blocked may be known before the answer that has led there is read,
 * but dnsmasq logs it before it gives it.
 */
void lxe_keeper_resolver_read(struct lxe_keeper *k);

/* What the sandbox has resolved to that address last, or NULL. */
const char *lxe_keeper_name_of(const struct lxe_keeper *k, const struct lxe_net_addr *addr);

/* blocked.c: a name that was refused is counted with what else was blocked. */
void lxe_keeper_name_refused(struct lxe_keeper *k, const char *name, size_t len);

#endif
