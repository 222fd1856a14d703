/*
 * All processes of a pid namespace by its first: to see that they have ended where no cgroup tells, and
 * nobody is left whose children they are. Owns nothing; waits, with a limit.
 */
#ifndef LXE_KEEPER_MEMBERS_H
#define LXE_KEEPER_MEMBERS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* A process as the journal names it (LXE_ENTRY_INIT), by its number and its begin: -ESRCH when it is gone. */
int lxe_members_name(pid_t first, char *buf, size_t size);

/*
 * Kill that process, and with it its namespace, and wait until nothing in there runs: 0, also when it was gone, or
 * -ETIMEDOUT. One that waits to be reaped by the host's pid 1, to whom it has fallen, runs no more.
 */
int lxe_members_end(const char *name, int timeout_ms);

/* What ps(1) shows of a keeper: this, and the id of its sandbox. */
#define LXE_KEEPER_NAME "lxc-exec-keeper"

/*
 * See the end of what the keeper of sandbox `id`, which is dead, had forked and what has executed nothing yet, and
 * kill what does not end by itself soon: liblxc's monitor, and the child of its that is to be pid 1, die with the
 * keeper but for a moment at their begin; who keeps pasta ends that first. They are
 * waited for that long, all at once: 0, -ETIMEDOUT, or why one cannot be killed.
 */
int lxe_members_end_forks(const char *id, int timeout_ms);

#endif
