/*
 * lxc-exec-net, started: what makes a sandbox's network and takes it back (network/work.h). The keeper starts it,
 * and so does whoever tears down in its place: then it is nobody's child here, because a library's program waits for
 * its own.
 */
#ifndef LXE_KEEPER_NETWORK_HELPER_H
#define LXE_KEEPER_NETWORK_HELPER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "network/work.h"

struct lxe_net_helper {
	int socket; /* end of file: it and all that it has started are gone */
	pid_t pid;  /* a child of the caller's, or 0 */
};

#define LXE_NET_HELPER_NONE ((struct lxe_net_helper){ .socket = -EBADF })

/* `libexec`: the directory that it is in. */
int lxe_net_helper_start(
	struct lxe_net_helper *ret, const char *libexec, bool apart, struct lxe_err *err);

/* With as many descriptors, which stay the caller's. */
int lxe_net_helper_ask(
	struct lxe_net_helper *h, const struct lxe_net_ask *ask, const int *fds, size_t n);

/*
 * Take the answer, waiting for it at most timeout_ms. A failure is the answer's own, or that there was none.
 * *n is the room in fds, and then how many there are: the caller's.
 */
int lxe_net_helper_answer(struct lxe_net_helper *h, struct lxe_net_answer *ret, int *fds, size_t *n,
	int timeout_ms, struct lxe_err *err);

/* Kill it, if it still runs, and wait until nothing of it does. */
void lxe_net_helper_end(struct lxe_net_helper *h);

/*
 * Taking a sandbox's network back: begun, and waited for. What has been begun has to be waited for. By the one that has
 * made it, if `h` is that and has answered LINK; by a new one otherwise, or if that is gone.
 */
struct lxe_net_undo_how {
	char id[LXE_ID_LEN + 1];
	const char *run, *libexec;
	struct in_addr guest4;			  /* zero: nobody knows */
	uint64_t netns;				  /* the one it is in; 0: the caller's */
	int mounts, lease, undo_v4, undo_v6, log; /* as of LXE_NET_HAS_*; negative: not there */
	bool no_sets;				  /* it is known that no ipset was made */
	bool apart;
};
int lxe_net_undo_begin(
	struct lxe_net_helper *h, const struct lxe_net_undo_how *how, struct lxe_err *err);
int lxe_net_undo_await(struct lxe_net_helper *h, struct lxe_err *err);

#endif
