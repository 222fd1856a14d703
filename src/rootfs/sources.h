/*
 * What is to be put into a sandbox, opened on the host: each bind as a detached mount that has its
 * final attributes already, each file to be copied as an open one. It is done as the caller and before
 * anything is made, so that what he cannot reach or cannot have is an error while there is nothing to undo.
 */
#ifndef LXE_ROOTFS_SOURCES_H
#define LXE_ROOTFS_SOURCES_H

#include "policy/mounts.h"
#include "rootfs/rootfs.h"
#include "sys/mountinfo.h"

#define LXE_HIDDEN 2

/* Of a copy-on-write bind. */
struct lxe_cow_origin {
	int source;		  /* the directory as the caller has it, open for reading */
	int layer;		  /* place.h: what is written goes there; -EBADF before */
	uint64_t mount;		  /* place.h: that is seen inside */
	struct sys_object object; /* what it shows; without the row */
};

struct lxe_origin {
	int fd; /* -EBADF for a tmpfs, and once it is used */
	bool directory;
	struct lxe_cow_origin *cow; /* or NULL */
};

struct lxe_sources {
	struct lxe_origin *v; /* one for each of the list that it was made from */
	size_t n;
	/* Our own directories, where a bind shows what is above them: to be covered there. */
	struct sys_object hidden[LXE_HIDDEN];
	size_t n_hidden;
};

/*
 * Open all of `list`. `own` are the state and the run directory: what lies in them is refused. An empty
 * list costs nothing. *ret is released with lxe_sources_release(), also on failure.
 */
int lxe_sources_open(struct lxe_sources *ret, const struct lxe_mounts *list,
	const struct lxe_idmap *map, const char *const own[LXE_HIDDEN], struct lxe_err *err);
void lxe_sources_release(struct lxe_sources *sources);

#endif
