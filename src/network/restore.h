/*
 * iptables-restore(8) and ip6tables-restore(8), told text after text, and ended together: each text
 * is a transaction for each of its tables.
 */
#ifndef LXE_NETWORK_RESTORE_H
#define LXE_NETWORK_RESTORE_H

#include "network/merge.h"
#include "network/tool.h"

enum lxe_variant {
	LXE_VARIANT_HOST, /* whichever this host's iptables is */
	LXE_VARIANT_NFT,
	LXE_VARIANT_LEGACY,
	LXE_VARIANTS,
};

struct lxe_restore {
	const char *argv[LXE_FAMILIES][4];
	struct lxe_tool tools[LXE_FAMILIES]; /* started when there is something for them */
};

void lxe_restore_init(struct lxe_restore *ret, enum lxe_variant variant);

/*
 * IPv4's and IPv6's, NULL: none. Blocks until both have been read. The programs of today ask for more
 * when what was before is in force, some before them read ahead: what they end with, or the kernel,
 * says whether it is. Negative: not all of it, and there is nothing more to be told to either.
 */
int lxe_restore_tell(struct lxe_restore *t, const char *const texts[LXE_FAMILIES]);

/* After its end: what one of them has to say that has failed. Returns r, or -errno of it. */
int lxe_restore_fail(const struct lxe_restore *t, int r, struct lxe_err *err);

/* In any case. Negative: one of them has failed, at the end or before. */
int lxe_restore_end(struct lxe_restore *t);
void lxe_restore_release(struct lxe_restore *t);

#endif
