/*
 * What a dnsmasq says in its log with log-queries=extra, line by line: that it is up, which name it has refused, and
 * which name an address was the answer for. Pure. Lines hold names that somebody inside has chosen.
 */
#ifndef LXE_NETWORK_DNSLOG_H
#define LXE_NETWORK_DNSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/net_rule.h"

#define LXE_DNSLOG_NAME 128 /* bytes of a name that is kept; longer ones are cut */
#define LXE_DNSLOG_ASKED 32
#define LXE_DNSLOG_ANSWERS 64

/* The last questions and answers; all zero: none. */
struct lxe_dnslog {
	struct {
		uint64_t number; /* dnsmasq's own */
		char name[LXE_DNSLOG_NAME];
	} asked[LXE_DNSLOG_ASKED];
	struct {
		struct lxe_net_addr addr;
		char name[LXE_DNSLOG_NAME]; /* that was asked for, at the beginning of its CNAMEs */
	} answers[LXE_DNSLOG_ANSWERS];
	size_t n_answers; /* so far: the next takes the place of the oldest */
};

enum lxe_dnslog_says {
	LXE_DNSLOG_NOTHING,
	LXE_DNSLOG_STARTED, /* it listens */
	LXE_DNSLOG_REFUSED, /* a name: `name` */
};

/* Take a line without its '\n'. `name` is cut as above. */
enum lxe_dnslog_says lxe_dnslog_take(
	struct lxe_dnslog *log, const char *line, char name[LXE_DNSLOG_NAME]);

/* The name whose answer the address was last, or NULL. */
const char *lxe_dnslog_name_of(const struct lxe_dnslog *log, const struct lxe_net_addr *addr);

#endif
