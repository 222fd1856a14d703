/*
 * Learning what system calls are used (--learn). The filter of each command asks for every call that it
 * permits; we note it and let it go on. The child hands its listener over through a socket, right after
 * the filter is installed: until its execve it makes only calls that are not asked for.
 */
#ifndef LXE_KEEPER_LEARN_H
#define LXE_KEEPER_LEARN_H

#include <stdint.h>

#include "confine/confine.h"
#include "keeper/loop.h"

#define LXE_LEARN_ARCHES 3
#define LXE_LEARN_CALLS 1024

struct lxe_keeper;
struct lxe_process;

/* What was used, by architecture and number. */
struct lxe_learnt {
	uint64_t seen[LXE_LEARN_ARCHES][LXE_LEARN_CALLS / 64];
};

/* Of one command. */
struct lxe_learner {
	struct lxe_keeper *keeper;
	int messenger, listener;
	struct lxe_source told, asked;
};

void lxe_learner_init(struct lxe_learner *l, struct lxe_keeper *k);

/* A socket to hear of the listener; *child is the other end, the caller's. Nothing when none is learnt. */
int lxe_learner_open(struct lxe_learner *l, int *child, struct lxe_err *err);
void lxe_learner_close(struct lxe_learner *l);

/* In the child, between fork and exec. */
int lxe_learner_tell_child(int messenger, int listener);

/* How the sandbox's filter is made. */
struct lxe_filter_how lxe_keeper_filter_how(const struct lxe_keeper *k);

/* Write what was learnt into the file that came with the request, if its command has begun. */
int lxe_keeper_write_learnt(const struct lxe_keeper *k, struct lxe_err *err);

#endif
