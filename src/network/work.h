/*
 * What a keeper (or whoever tears down in its place) and lxc-exec-net say to each other: one question and one
 * answer at a time, on the socket with which that program is started. Both ends are of one build. The
 * program is a process of its own so that what a sandbox's network takes runs beside everything else
 * that it takes, and so that a sandbox without one loads and pays nothing of it.
 *
 *   RULES   everything that comes before the veth: addresses, forwarding, firewall. Its descriptor is the sandbox's
 *           directory, where the record is; with it the lock, so that nobody tears down what is being
 *           made; and pipes for the configurations of as many dnsmasqs (naming.h). Those of the answer: the lease, the texts that undo the firewall, v4 and perhaps v6, and
 *           perhaps the socket on which what is blocked is heard.
 *   LINK    the veth, into the container of the pidfd that comes along, by the same process as RULES. It then keeps
 *           nothing, neither descriptors nor memory, and waits.
 *   UNDO    all of it taken back, as far as there is any, by the process that has answered LINK or by one of its own, which ends
 *           with it. Descriptors: as LXE_NET_HAS_* says.
 */
#ifndef LXE_NETWORK_WORK_H
#define LXE_NETWORK_WORK_H

#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "network/naming.h"
#include "network/resolver.h"
#include "policy/net_rule.h"
#include "store/outcome.h"

#define LXE_NET_PROGRAM "lxc-exec-net"
#define LXE_NET_SOCKET 3 /* its number in that program */

enum lxe_net_op { LXE_NET_RULES = 1, LXE_NET_LINK, LXE_NET_UNDO };

/* The order of an UNDO's descriptors, those that are there. */
#define LXE_NET_HAS_MOUNTS 1U  /* the host's mount namespace, when the asker is in another */
#define LXE_NET_HAS_LEASE 2U   /* as RULES gave it */
#define LXE_NET_HAS_UNDO_V4 4U /* likewise */
#define LXE_NET_HAS_UNDO_V6 8U
#define LXE_NET_HAS_LOG 16U /* where what is blocked is heard; see together.h */
#define LXE_NET_UNDO_FDS 5
#define LXE_NET_HAS_NO_SETS 32U /* no descriptor: it is known that no ipset was made */

struct lxe_net_ask {
	enum lxe_net_op op;
	pid_t asker; /* with whose end the program's comes; 0: with nobody's */
	unsigned int has;
	char id[LXE_ID_LEN + 1];
	char run[PATH_MAX];    /* the run directory */
	struct in_addr guest4; /* UNDO: zero when nobody knows */
	uint64_t netns;	       /* UNDO: where it is (netns.h); 0: here */
};

/* What the sandbox has been given. */
struct lxe_net_given {
	struct in_addr guest4, gateway4;
	bool v6;
	struct in6_addr guest6, gateway6;
	uint16_t nflog_group; /* listened to by a socket that comes with the answer */
	struct lxe_net_addr proxy[LXE_NAMING_PROXY_MAX]; /* of a proxy that is a name */
	size_t n_proxy;
	struct lxe_net_addr subnet; /* of all sandboxes that may be neighbours */
};

/* Of RULES (a directory, and pipes) or of UNDO: whichever are more. */
#define LXE_NET_ASK_FDS LXE_NET_UNDO_FDS
_Static_assert(LXE_NET_ASK_FDS >= 1 + LXE_RESOLVERS_MAX, "the pipes of RULES");
#define LXE_NET_ANSWER_FDS 4

struct lxe_net_answer {
	int r; /* and then err */
	struct lxe_err err;
	struct lxe_net_given given; /* RULES */
	bool has_undo_v6;
	int log_error; /* why no socket for what is blocked comes along, or 0 */
};

/* The first digits of the id, and the name of the veth's end on the host. */
void lxe_net_names(const char *id, char id8[9], char name[IFNAMSIZ]);

#endif
