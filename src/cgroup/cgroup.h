/*
 * Our own cgroup driver for v1, hybrid and v2 hosts: one group per sandbox, and below it one for
 * pid 1 and its monitor ("init") and one per command ("x0", "x1", ...), as v2's rule of no inner
 * processes wants it. Placing a process never waits for an RCU grace period: on v2 it is born in its
 * group (CLONE_INTO_CGROUP), on v1 a single-threaded process writes 0 to `tasks`.
 *
 * Every hierarchy costs time, so only those are used that are needed: memory, pids, v2 where it is
 * mounted (also without controllers: it kills a tree in one write), and others for limits that ask
 * for them. Limits and counters belong to
 * the sandbox's group; the groups below it only tell processes apart, and exist in one hierarchy: v2
 * where there is one, pids otherwise. Only where memory is limited, v1 counts processor time, or a number of
 * processes was asked for, they exist there too: what a command meets with is its own.
 *
 * liblxc's driver is off: see lxe_cgroup_hide().
 */
#ifndef LXE_CGROUP_CGROUP_H
#define LXE_CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* On a v2 host with systemd: where root's groups are, when the unit of conf/systemd has been started. */
#define LXE_CGROUP_UNIT "lxc.slice/lxc-exec.slice/lxc-exec.service"

enum lxe_cgroup_mode { LXE_CGROUP_NONE, LXE_CGROUP_V1, LXE_CGROUP_HYBRID, LXE_CGROUP_V2 };

/* The hierarchies of this host that we use, and where below each our groups go. */
struct lxe_cgroup_host;

/*
 * Find them from /proc/self/mountinfo and /proc/self/cgroup (both paths are parameters so that tests
 * can bring their own). Reads only. At least pids and memory must be there: otherwise an error that
 * says which is missing, with the remedy as hint.
 */
int lxe_cgroup_host_open(
	struct lxe_cgroup_host **ret, const char *mountinfo, const char *self, struct lxe_err *err);

/*
 * Those in which the group of this process was given to its user: he may make groups in it. There may be none
 * (LXE_CGROUP_NONE), or none with a controller. On v2 the calling process leaves a group that was made for it
 * alone, so that its controllers can be passed on.
 */
int lxe_cgroup_host_open_delegated(
	struct lxe_cgroup_host **ret, const char *mountinfo, const char *self, struct lxe_err *err);

enum lxe_cgroup_resource { LXE_CGROUP_MEMORY, LXE_CGROUP_PIDS };

bool lxe_cgroup_can_limit(const struct lxe_cgroup_host *host, enum lxe_cgroup_resource what);

/* None at all: groups have no directory then, limit nothing and end nothing. */
int lxe_cgroup_host_none(struct lxe_cgroup_host **ret, struct lxe_err *err);
void lxe_cgroup_host_free(struct lxe_cgroup_host *host);
enum lxe_cgroup_mode lxe_cgroup_host_mode(const struct lxe_cgroup_host *host);

/*
 * The absolute directories that the group `name` will have, one per hierarchy, for the journal. The
 * last one is the best to kill by, and a journal is replayed from its end: keep the order.
 */
int lxe_cgroup_paths(const struct lxe_cgroup_host *host, const char *name, struct lxe_strv *ret);

/* Of one disk; 0: none. Bytes and operations a second. */
struct lxe_cgroup_io {
	unsigned int major, minor;
	uint64_t rbps, wbps, riops, wiops;
};

struct lxe_cgroup_limits {
	uint64_t memory;    /* bytes, 0: none */
	uint64_t pids;	    /* 0: none */
	uint64_t cpus;	    /* hundredths of a CPU, 0: none */
	const char *cpuset; /* as the kernel writes a list; NULL: none */
	const struct lxe_cgroup_io *io;
	size_t n_io;
	bool cpu_time;	   /* it is to be counted; nothing is limited */
	bool pids_of_each; /* of each command, how often it could not fork */
};

/*
 * Before the group is made: see that there is a hierarchy for each of the limits. -ENODEV, with the
 * remedy as hint, for one that this host has no controller for.
 */
int lxe_cgroup_host_need(
	struct lxe_cgroup_host *host, const struct lxe_cgroup_limits *limits, struct lxe_err *err);

/* The controller for want of which it has failed; NULL: none. */
const char *lxe_cgroup_host_lacks(const struct lxe_cgroup_host *host);

/* Controllers that new groups could have here, as a text of their names; for doctor. */
int lxe_cgroup_host_controllers(const struct lxe_cgroup_host *host, char *buf, size_t size);

/* The disk that backs the file, or that the block special file is. -ENODEV: none that can be limited. */
int lxe_cgroup_io_device(const char *path, struct lxe_cgroup_io *ret, struct lxe_err *err);

struct lxe_cgroup; /* one sandbox's groups, opened */

/*
 * Make the group `name` ("lxe-<id>") with its "init" child, and set the limits; each limit is read
 * back and an error when it does not hold. On failure what was made is left to the journal.
 */
int lxe_cgroup_create(struct lxe_cgroup **ret, const struct lxe_cgroup_host *host, const char *name,
	const struct lxe_cgroup_limits *limits, struct lxe_err *err);
void lxe_cgroup_free(struct lxe_cgroup *cg); /* closes; removes nothing */

/* Change the limits of a group; one that is 0 is left as it is. Read back as above. */
int lxe_cgroup_limit(
	const struct lxe_cgroup *cg, const struct lxe_cgroup_limits *limits, struct lxe_err *err);

/* A group that a process can be put into: "init" or one command's. */
struct lxe_cgroup_leaf;

int lxe_cgroup_leaf_init(struct lxe_cgroup_leaf **ret, struct lxe_cgroup *cg, struct lxe_err *err);
int lxe_cgroup_leaf_exec(struct lxe_cgroup_leaf **ret, struct lxe_cgroup *cg, unsigned int number,
	struct lxe_err *err);
void lxe_cgroup_leaf_free(struct lxe_cgroup_leaf *leaf);

/* The v2 directory for sys_fork_into(), or -EBADF where there is no v2 hierarchy. */
int lxe_cgroup_leaf_fork_fd(const struct lxe_cgroup_leaf *leaf);

/* What the processes of one leaf met with. LXE_CGROUP_UNKNOWN: they are not told from the sandbox's. */
uint64_t lxe_cgroup_leaf_oom_kills(const struct lxe_cgroup_leaf *leaf);
uint64_t lxe_cgroup_leaf_cpu_us(const struct lxe_cgroup_leaf *leaf);

/*
 * Forks of one leaf that the sandbox's limit has refused, with pids_of_each. v2 has not told that since Linux
 * 6.11: there it is 1 of a leaf that had most of the processes that the limit allows, and unknown of others.
 */
uint64_t lxe_cgroup_leaf_pids_hits(const struct lxe_cgroup_leaf *leaf, uint64_t limit);

/* In the freshly forked, single-threaded child: enter the v1 groups. Async-signal-safe. */
int lxe_cgroup_leaf_enter(const struct lxe_cgroup_leaf *leaf);

/*
 * An open cgroup.procs of the leaf: pread(2) lists the host pids of its processes. Borrowed. Without
 * v2 the kernel keeps an open file's list for up to a second: there, reopen it (/proc/self/fd/N).
 */
int lxe_cgroup_leaf_procs_fd(const struct lxe_cgroup_leaf *leaf);

/*
 * SIGKILL the whole tree of one leaf, whatever it does to hide. Does not wait. Where cgroup.kill is
 * missing nothing can be started in the leaf any more. -ENODEV without a hierarchy.
 */
int lxe_cgroup_leaf_kill(const struct lxe_cgroup_leaf *leaf);

/* Send a signal to all that are in it at this moment. */
int lxe_cgroup_leaf_signal(const struct lxe_cgroup_leaf *leaf, int signal);

struct lxe_cgroup_stats {
	uint64_t peak_memory; /* bytes, 0: unknown */
	uint64_t oom_kills;
	uint64_t pids_max_hits;
	uint64_t user_us, system_us; /* 0 where no controller counts it */
};

void lxe_cgroup_stats(const struct lxe_cgroup *cg, struct lxe_cgroup_stats *ret);

#define LXE_CGROUP_UNKNOWN UINT64_MAX /* no hierarchy of this host counts it */

struct lxe_cgroup_usage {
	uint64_t cpu_us; /* where there is a v2 hierarchy, or it was asked for */
	uint64_t memory, peak_memory;
	uint64_t pids; /* pid 1 and its monitor included */
};

/* What is used at this moment. At most four small files are read; of the other two one each. */
void lxe_cgroup_usage(const struct lxe_cgroup *cg, struct lxe_cgroup_usage *ret);
uint64_t lxe_cgroup_cpu_us(const struct lxe_cgroup *cg);
uint64_t lxe_cgroup_oom_kills(const struct lxe_cgroup *cg); /* 0 where they are not counted */
uint64_t lxe_cgroup_pids_hits(const struct lxe_cgroup *cg); /* forks that the limit has refused */

/*
 * Let nothing in the group run, or let it go on: -ENODEV where there is no v2 hierarchy. Returns when all of it has
 * stopped, for which it waits half a second at most: -ETIMEDOUT, and it goes on, where something waits for a disk so long.
 */
int lxe_cgroup_freeze(const struct lxe_cgroup *cg, bool on);

/* Take away the limits that would make the end of the sandbox slow: of processor and disks. */
void lxe_cgroup_let_end(const struct lxe_cgroup *cg);

/*
 * In the keeper's own mount namespace (private or slave to the host's, or the host loses its view):
 * cover /sys/fs/cgroup with an empty tmpfs, so that liblxc finds no hierarchy and does nothing. What
 * is open stays of use: an lxe_cgroup_host from before makes and destroys groups as it did.
 */
int lxe_cgroup_hide(struct lxe_err *err);

/* Takes the statuses of those children of the caller that lxe_cgroup_destroy() has to reap. */
struct lxe_cgroup_reaper {
	void (*reaped)(void *arg, pid_t pid, int status, const struct rusage *usage);
	void *arg;
};

/*
 * Undo of one journal entry, from any process outside the group: kill everything in the directory
 * and below, wait until it is empty (on pidfds and cgroup.events), remove it bottom up. At most
 * timeout_ms, then -ETIMEDOUT. The path need not have been made by this host object's process, but
 * must lie below the mount point of one of its hierarchies (-EXDEV otherwise) and end in a name that
 * begins with "lxe-" (-EINVAL). A directory that does not exist is success.
 *
 * Children of the caller that are found in the group are reaped if there is a reaper; others, zombies
 * from before included (they are in no group), are never touched. A pid namespace does not end before
 * its processes are reaped, but the group does not wait for that.
 */
int lxe_cgroup_destroy(const struct lxe_cgroup_host *host, const char *path, int timeout_ms,
	const struct lxe_cgroup_reaper *reaper, struct lxe_err *err);

#endif
