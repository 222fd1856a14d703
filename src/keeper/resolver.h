/*
 * The dnsmasqs of a sandbox (network/resolver.h): children of the keeper in the cgroup of pid 1, which end
 * with the one or the other. They run as an ordinary user, with what it takes to listen on port 53 and to fill
 * ipsets. Their configuration is on their standard input; on their standard error they say that they listen,
 * and what they refuse.
 *
 * The end of one while the sandbox lives is noted, and said in its messages; no name is known inside then.
 */
#ifndef LXE_KEEPER_RESOLVER_H
#define LXE_KEEPER_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "keeper/loop.h"
#include "network/resolver.h"

struct lxe_keeper;

struct lxe_dnsmasq {
	struct lxe_keeper *keeper;
	int log; /* its standard error */
	struct lxe_source source;
	bool listening, failed, over;
	char line[512]; /* the line that is being read; what of it is too long is left out */
	size_t len;
	char last[256]; /* what it has said last */
};

struct lxe_keeper_resolver {
	struct lxe_dnsmasq dnsmasq[LXE_RESOLVERS_MAX];
	size_t n;
	bool ready;
};

/* Start them; does not wait for anything. -ENOENT with a hint where there is no dnsmasq. */
int lxe_keeper_resolver_start(
	struct lxe_keeper *k, const struct lxe_resolver_plan *plan, struct lxe_err *err);

/* Once the gateway's address is there: until all of them listen on it. */
int lxe_keeper_resolver_await(struct lxe_keeper *k, struct lxe_err *err);

/* Stop listening to them. Ending them is their cgroup's end. */
void lxe_keeper_resolver_release(struct lxe_keeper *k);

/*
 * What a line of dnsmasq's log says (pure): the name that it has refused, which begins in the line and is
 * `*len` long, or NULL.
 */
const char *lxe_resolver_log_refused(const char *line, size_t *len);
bool lxe_resolver_log_listens(const char *line);

/* blocked names are counted with what else was blocked */
void lxe_keeper_name_refused(struct lxe_keeper *k, const char *name, size_t len);

#endif
