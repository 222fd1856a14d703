/*
 * What the files of this folder share: the hierarchies of a host and the walk over a group's tree.
 * Not for other folders.
 */
#ifndef LXE_CGROUP_HIERARCHY_H
#define LXE_CGROUP_HIERARCHY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"

/* Of them at most memory, pids, v2 and one for each further v1 controller. */
#define LXE_HIERARCHIES_MAX 7
#define LXE_CGROUP_PREFIX "lxe-"

/* Nobody nests that deep; it bounds our recursion, not theirs (cgroup.max.depth does). */
#define LXE_CGROUP_DEPTH_MAX 32

enum lxe_controller {
	LXE_CONTROLLER_MEMORY = 1 << 0,
	LXE_CONTROLLER_PIDS = 1 << 1,
	LXE_CONTROLLER_CPU = 1 << 2,
	LXE_CONTROLLER_CPUSET = 1 << 3,
	LXE_CONTROLLER_IO = 1 << 4,
	LXE_CONTROLLER_CPUACCT = 1 << 5, /* v1 only: v2 counts without a controller */
};

#define LXE_CONTROLLERS 6
#define LXE_CONTROLLERS_ALL \
	(LXE_CONTROLLER_MEMORY | LXE_CONTROLLER_PIDS) /* that every sandbox has */

/* The name of the controller 1 << bit; v2's have other names than v1's, and NULL: there is none. */
const char *lxe_controller_name(unsigned int bit, bool v2);

/* Those that a list names. */
unsigned int lxe_cgroup_controllers_in(const char *list, const char *separators, bool v2);

struct lxe_hierarchy {
	char mount[PATH_MAX];
	char own[PATH_MAX];	  /* where our groups go, relative to mount; may be empty */
	char self[PATH_MAX];	  /* where this process is */
	unsigned int controllers; /* that we use here */
	unsigned int offers;	  /* v1: that are mounted here */
	bool v2;
	bool leaves; /* "init" and "xN" are made here */
	int root;    /* O_PATH of mount */
};

struct lxe_cgroup_host {
	struct lxe_hierarchy hierarchy[LXE_HIERARCHIES_MAX];
	size_t n;	/* that new groups are made in */
	size_t n_known; /* and, behind them, further v1 hierarchies, whose roots are not open */
	enum lxe_cgroup_mode mode;
	bool delegated;	   /* of an ordinary user: only what is his */
	const char *lacks; /* what lxe_cgroup_host_need() did not find, as the host calls it */
};

/*
 * Fill hierarchies and mode from the texts of mountinfo (is cut up) and /proc/self/cgroup; opens
 * nothing. Controllers that no v1 hierarchy has are left to v2, whether it has them or not. Returns
 * those that have no hierarchy at all.
 */
unsigned int lxe_cgroup_parse(struct lxe_cgroup_host *host, char *mountinfo, const char *self);

/* host.c, for delegated.c: parse without opening, a bit for each controller that is nowhere; open and check. */
int lxe_cgroup_find(struct lxe_cgroup_host *host, const char *mountinfo, const char *self,
	unsigned int *missing, struct lxe_err *err);
int lxe_cgroup_open_roots(struct lxe_cgroup_host *host, struct lxe_err *err);

/* Open its mount point, and look whether it is what it should be. */
int lxe_hierarchy_open(const struct lxe_hierarchy *h, struct lxe_err *err);

/* delegated.c: may this user make groups in his own, which is open? */
bool lxe_hierarchy_is_writable(const struct lxe_hierarchy *h, int own);

/* Take away what makes processes slow, so that they can end: best effort. */
void lxe_cgroup_unthrottle(int dir);

/* Is this a name that we may make and remove? */
bool lxe_cgroup_name_ok(const char *name);

/* Is `word` one of those in `list`, separated by any of `separators`? */
bool lxe_cgroup_has_word(const char *list, const char *separators, const char *word);

/* openat2(2) below dirfd, without symlinks and without crossing mounts. "" is dirfd itself. */
int lxe_cgroup_open_below(int dirfd, const char *path, int flags);

/* Call visit for each directory in dir until it returns a negative value; that is returned. */
typedef int (*lxe_cgroup_visit)(int dir, const char *name, void *arg);
int lxe_cgroup_each_child(int dir, lxe_cgroup_visit visit, void *arg);

struct lxe_pids {
	pid_t *v;
	size_t n, room;
};

void lxe_pids_release(struct lxe_pids *pids);
bool lxe_pids_has(const struct lxe_pids *pids, pid_t pid); /* of a list in order */

/* The processes in a group and below, in ascending order. Zombies are not in a group any more. */
int lxe_cgroup_list(int dir, struct lxe_pids *ret);

/* Send a signal to everything that is in a group and below at this moment. */
int lxe_cgroup_signal_tree(int dir, int signal);

/* SIGKILL everything in a group and below, without waiting. */
int lxe_cgroup_kill_tree(int dir);

#endif
