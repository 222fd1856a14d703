/*
 * The grammar of what a sandbox may reach, [tcp://|udp://|icmp://]HOST[:PORT[,PORT|LO-HI...]], and of
 * the addresses and networks in it. Pure, strict, and without a look at any resolver; values own
 * nothing.
 *
 * HOST is a name, *.NAME (every name below it, and not NAME itself), an IPv4 or IPv6 address, a network
 * ADDRESS/BITS, or * for everywhere. An IPv6 one stands in brackets when ports follow. Without ports all
 * of the protocol is meant, without a protocol every one (with ports: TCP and UDP).
 */
#ifndef LXE_POLICY_NET_RULE_H
#define LXE_POLICY_NET_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define LXE_NET_NAME_MAX 253 /* bytes of a name of the DNS, without the last dot */
#define LXE_NET_PORTS_MAX 64 /* ranges of ports in a rule */
#define LXE_NET_RULE_TEXT 1200
#define LXE_NET_ADDR_TEXT 64

enum lxe_net_family { LXE_NET_V4, LXE_NET_V6 };

/* An address or a network. */
struct lxe_net_addr {
	enum lxe_net_family family;
	uint8_t prefix;	   /* 32 or 128: one address */
	uint8_t bytes[16]; /* network order; 4 of them for IPv4, the others zero */
};

enum lxe_net_proto { LXE_NET_ANY, LXE_NET_TCP, LXE_NET_UDP, LXE_NET_ICMP };

enum lxe_net_host {
	LXE_NET_EVERYWHERE, /* * */
	LXE_NET_NAME,
	LXE_NET_BELOW, /* *.NAME */
	LXE_NET_ADDR,
};

struct lxe_net_ports {
	uint16_t lo, hi; /* 1..65535, lo <= hi */
};

struct lxe_net_rule {
	enum lxe_net_proto proto;
	enum lxe_net_host host;
	struct lxe_net_addr addr;	 /* LXE_NET_ADDR */
	char name[LXE_NET_NAME_MAX + 1]; /* NAME and BELOW: small letters, no last dot, no "*." */
	size_t n_ports;			 /* 0: all */
	struct lxe_net_ports
		ports[LXE_NET_PORTS_MAX]; /* ascending, neither touching nor overlapping */
};

/* -EINVAL with what is wrong with it, where, and what to write instead. */
int lxe_net_rule_parse(struct lxe_net_rule *ret, const char *text, struct lxe_err *err);

/* The one form that a rule has: it is the same for all texts that mean the same. */
int lxe_net_rule_format(const struct lxe_net_rule *rule, char *buf, size_t size);

/* An address or network, ADDRESS[/BITS], without brackets; in a network no bit of the host is set. */
int lxe_net_addr_parse(struct lxe_net_addr *ret, const char *text, struct lxe_err *err);

/*
 * The same for a part of a text: NULL, or what is wrong with it, and then perhaps what to write instead
 * in `hint` (LXE_NET_HINT bytes).
 */
#define LXE_NET_HINT 160
const char *lxe_net_addr_read(struct lxe_net_addr *ret, const char *text, size_t len, char *hint);

/* ADDRESS, with /BITS if it is a network. `buf` has LXE_NET_ADDR_TEXT bytes. */
void lxe_net_addr_format(const struct lxe_net_addr *addr, char *buf);

bool lxe_net_addr_covers(const struct lxe_net_addr *net, const struct lxe_net_addr *addr);

/* A host's name as the DNS has it, into `ret` in small letters: NULL, or what is wrong with it. */
const char *lxe_net_name(char ret[LXE_NET_NAME_MAX + 1], const char *text, size_t len);

#endif
