/*
 * What a sandbox wanted to reach and may not, and what wanted to reach it: a bounded table, and the text in
 * which it travels with an outcome (store/blocked.h). Pure; owns nothing.
 */
#ifndef LXE_NETWORK_BLOCKED_H
#define LXE_NETWORK_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network/nflog.h"
#include "policy/net.h"

#define LXE_BLOCKED_MAX 64
/* Of these; whoever scans its ports does not hide what it wanted itself. */
#define LXE_BLOCKED_IN_MAX 16
#define LXE_BLOCKED_NAME 128 /* bytes of a name that is kept; longer ones are cut */

struct lxe_blocked_to {
	struct lxe_net_addr to;
	char name[LXE_BLOCKED_NAME]; /* what was resolved to it, or could not be; or empty */
	bool unresolved;	     /* it is a name alone, which the resolver refused */
	bool in;		     /* it came from outside */
	bool neighbour;		     /* from, or for, another sandbox */
	uint8_t proto;
	uint16_t port;
	uint64_t count;
};

struct lxe_blocked {
	struct lxe_blocked_to to[LXE_BLOCKED_MAX];
	size_t n;
	size_t n_in;
	uint64_t others; /* packets for which there was no room */
};

/*
 * True: there is something that was not there before. `name`: what the sandbox resolved to the address, or
 * NULL; `neighbour`: the other end is a sandbox, too; lxe_blocked_add_name(): what it could not even resolve;
 * lxe_blocked_add_in(): what came in.
 */
bool lxe_blocked_add(struct lxe_blocked *b, const struct lxe_nflog_packet *packet, bool neighbour,
	const char *name);
bool lxe_blocked_add_name(struct lxe_blocked *b, const char *name);
bool lxe_blocked_add_in(
	struct lxe_blocked *b, const struct lxe_nflog_packet *packet, bool neighbour);

/*
 * A line each, what came in behind the others, and what has no room as a number in the last one. Each says which
 * option would allow it, or which denies it.
 */
void lxe_blocked_text(const struct lxe_blocked *b, const struct lxe_net_spec *spec,
	const struct lxe_net_addr *subnet, char *buf, size_t size);

#endif
