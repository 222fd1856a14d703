/*
 * Filters for a command whose denials are to be explained: it asks (SECCOMP_RET_USER_NOTIF) for calls that a
 * path may be denied to, and for those that its profile refuses with EPERM. Nothing is decided by whoever
 * answers. Of two filters `base` enforces the profile for the first kind, so that the kernel has permitted
 * what is asked for and the answer is always to go on; `asks` enforces it for all other calls, of which only
 * refused ones are asked for, and the answer is always EPERM. The call's number tells which kind it is.
 */
#ifndef LXE_CONFINE_WATCH_H
#define LXE_CONFINE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confine/confine.h"

/* What a call does with a path. */
enum lxe_watched_kind {
	LXE_WATCHED_NOT, /* nothing: only never asked for: our child makes it while nobody listens */
	LXE_WATCHED_OPEN,    /* flags as of open(2), in an argument or, without one, for writing */
	LXE_WATCHED_OPEN2,   /* flags in memory, as of openat2(2) */
	LXE_WATCHED_MAKE,    /* a name that is not there yet */
	LXE_WATCHED_REPLACE, /* a name, there or not */
	LXE_WATCHED_REMOVE,
	LXE_WATCHED_CHANGE, /* the file, through a symlink */
	LXE_WATCHED_CHANGE_LINK,
	LXE_WATCHED_LOOK, /* only when something is denied to readers */
};

struct lxe_watched {
	int number;
	const char *name;
	enum lxe_watched_kind kind;
	signed char dirfd, path, flags; /* numbers of arguments; -1: there is none */
};

/* The calls with a path; the list ends with one that has no name. rename(2) and its like have two entries. */
const struct lxe_watched *lxe_watched_calls(void);

/* Is it one of `base`, whose answer is to go on? Everything else is refused. */
bool lxe_watch_permits(bool readers, uint32_t arch, int number);

struct lxe_watch {
	struct lxe_filter base; /* none without a profile */
	struct lxe_filter asks; /* its listener tells */
	bool readers;		/* calls that only read are asked for, too */
};

/* Make both from what lxe_filter_load() gave. -E2BIG: it is too long. Release with lxe_watch_release(). */
int lxe_watch_make(struct lxe_watch *ret, const struct lxe_filter *filter, bool readers);
void lxe_watch_release(struct lxe_watch *watch);

/*
 * Between fork and exec: install both. The listener; or a negative errno, when only `base` may be in force and
 * the profile's own filter has to be installed. Async-signal-safe.
 */
int lxe_watch_child(const struct lxe_watch *watch);

#endif
