/*
 * What an ordinary user may do without any privilege of ours: give ids to a user namespace that are
 * his by subuid(5) and subgid(5), with the help of newuidmap(1) and newgidmap(1). In it ids 0..65535 are those
 * of the range, and 65536 is the user himself, so that what belongs to him (the state and run
 * directories, the caller's files) still does. Who enters it remains that user, with every
 * capability over what these ids own, and nobody's on the host. Starting the two programs blocks for
 * some milliseconds.
 */
#ifndef LXE_STORE_ROOTLESS_H
#define LXE_STORE_ROOTLESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "store/subid.h"

#define LXE_ROOTLESS_COUNT 65536u

struct lxe_rootless_ids {
	uint32_t uids, gids; /* the first of each, as the host has them */
};

/* Is the calling process that of an ordinary user? In the namespace it still is. */
bool lxe_is_rootless(void);

/* The first line of `user`, by name (NULL: unknown) or number, that is wide enough. */
bool lxe_rootless_line(const char *text, const char *name, uid_t uid, struct lxe_subid *ret);

/* The calling user's; the hint says how he gets some. */
int lxe_rootless_ids(struct lxe_rootless_ids *ret, struct lxe_err *err);

/* The path of newuidmap or newgidmap, or NULL. It is not looked for along PATH: a keeper has none. */
const char *lxe_rootless_tool(bool gids);

/*
 * Put the calling, single-threaded process into a new user and mount namespace with those ids. The
 * mounts are the host's; they propagate in, never out.
 */
int lxe_rootless_enter(struct lxe_err *err);

/* Has the calling program been begun again in the namespace? Then nobody else's capabilities are left to inherit. */
bool lxe_rootless_is_inside(void);
int lxe_rootless_settle(struct lxe_err *err);

/*
 * In the namespace: execute the calling program again with `argv`. Only then its memory belongs to the namespace
 * as well, and what it forks and changes the credentials of can be looked at from there without being
 * open to its equals (PTRACE_MODE in ptrace(2)). Returns only when it fails.
 */
int lxe_rootless_again(char *const argv[], struct lxe_err *err);

/* In the namespace: become its root, for who makes what is to belong to that. Async-signal-safe. */
int lxe_rootless_become_root(void);

/*
 * sys_tree_remove(), also of what belongs to ids of the range and is not the user's to remove out here: that is done
 * by a process of its own in such a namespace, which is waited for.
 */
int lxe_tree_remove(int at, const char *name);

/* sys_tree_size() in the same way. */
int lxe_tree_size(int at, const char *name, uint64_t *ret);

#endif
