/*
 * What the firewall logs of refused packets, as netfilter's log hands it to whoever listens to a group.
 * Messages are parsed purely; nothing here blocks. The kernel's own headers are all it takes: a keeper
 * that has no network loads nothing for it.
 */
#ifndef LXE_NETWORK_NFLOG_H
#define LXE_NETWORK_NFLOG_H

#include <stddef.h>
#include <stdint.h>

#include "policy/net_rule.h"

#define LXE_NFLOG_PREFIX 24
#define LXE_NFLOG_DATAGRAM 65536 /* bytes that one read may bring */

/*
 * A socket that listens to the group, in the network namespace of the calling process: CLOEXEC and
 * non-blocking. -EPERM: somebody else does, or the caller may not.
 */
int lxe_nflog_open(uint16_t group);

struct lxe_nflog_packet {
	char prefix[LXE_NFLOG_PREFIX]; /* of the rule, cut */
	struct lxe_net_addr from, to;
	uint8_t proto; /* of IP */
	uint16_t port; /* TCP and UDP; 0: none, or not known */
};

/*
 * The next packet of a datagram of which `*left` bytes begin at `*p`; both move on. 1, 0 at the end,
 * -EBADMSG for what is cut short. What is no packet is passed over.
 */
int lxe_nflog_next(struct lxe_nflog_packet *ret, const unsigned char **p, size_t *left);

#endif
