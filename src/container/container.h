/*
 * One container, driven through liblxc's C API; the only place that knows liblxc. Its configuration
 * lives in memory, its monitor is a child of the calling process that dies with it, and its pid 1 is
 * lxc-exec-init. Calls block; those that wait for the guest take a descriptor whose readiness ends
 * the wait. See docs/ARCHITECTURE.md for what of liblxc is deliberately not used.
 */
#ifndef LXE_CONTAINER_CONTAINER_H
#define LXE_CONTAINER_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define LXE_CONTAINER_LIBRARY "/liblxc.so" /* a part of its path */

struct lxe_container;

struct lxe_container_config {
	const char *name;	  /* "lxe-<id>" */
	const char *dir;	  /* absolute; liblxc's lxcpath, nothing is written there */
	const char *rootfs;	  /* absolute path of the mounted root filesystem */
	const char *rootfs_mount; /* absolute path of an empty directory to mount it on */
	const char *hostname;
	uint64_t shm;	      /* bytes of /dev/shm, 0: the kernel's default */
	bool become_root;     /* of our user namespace, before liblxc starts anything */
	uint32_t idmap_owner; /* not 0: host id of 0 inside, and `count` inside is host id 0 */
	uint32_t idmap_start, idmap_count; /* host ids of 0..count-1 inside, for users and groups */
};

int lxe_container_new(
	struct lxe_container **ret, const struct lxe_container_config *config, struct lxe_err *err);
void lxe_container_free(struct lxe_container *c); /* the container itself is not stopped */

/*
 * Start: fork the monitor, which in turn makes the namespaces and execs pid 1.
 *
 * fork_fd: cgroup v2 directory for the monitor to be born in, or negative. enter(arg) runs in the
 * monitor before anything else and places it in v1 cgroups; negative makes the start fail.
 * init_fd: lxc-exec-init, opened. *monitor is set as soon as there is one, also on failure, and must
 * be reaped by the caller. *ready becomes readable when pid 1 is up (a byte) or when nobody is left
 * who could bring it up (end of file).
 */
struct lxe_container_start {
	int fork_fd;
	int (*enter)(void *arg);
	void *arg;
	int init_fd;
};

int lxe_container_start(struct lxe_container *c, const struct lxe_container_start *how,
	pid_t *monitor, int *ready, struct lxe_err *err);

/*
 * While `ready` is silent: can nobody bring pid 1 up any more? liblxc's monitor does not notice an end of
 * its child in the middle of the start, since it holds the child's end of their socket open itself. True
 * when the monitor's child is dead; where the kernel does not tell (CONFIG_PROC_CHILDREN), false.
 */
bool lxe_container_stalled(pid_t monitor);

/* After `ready` was readable: did pid 1 come up? Names liblxc's own last error when it did not. */
int lxe_container_started(struct lxe_container *c, int ready, struct lxe_err *err);

/*
 * Its pid 1, as the host counts, once it has started; 0: there is none. It is asked of the monitor over its socket, and
 * one that is frozen never answers.
 */
pid_t lxe_container_init(struct lxe_container *c);

/*
 * What the next two give is asked of the monitor as well, unless it is kept: keep it before the monitor is frozen. A
 * negative errno: not both are to be had.
 */
int lxe_container_know(struct lxe_container *c);

/* A pidfd of its pid 1, the caller's. */
int lxe_container_pidfd(struct lxe_container *c);

/* The root of the container's devpts, a directory descriptor (the caller's). */
int lxe_container_devpts(struct lxe_container *c);

/*
 * Enter all namespaces of the container for good, as its root (setns(2) with a pidfd of its pid 1), and fork there:
 * `child` runs with the caller's environment and descriptors, and is not dumpable. For a throw-away process. Returns the
 * child's pid on the host.
 */
pid_t lxe_container_enter(
	struct lxe_container *c, int (*child)(void *arg), void *arg, struct lxe_err *err);

#endif
