/*
 * Who sits at a process's terminal: at most one driver, who reads the pty and writes to it, and any
 * number of watchers, who are told what was read and hold nothing that could write. While nobody
 * drives the keeper reads (drain.c).
 */
#ifndef LXE_KEEPER_SEAT_H
#define LXE_KEEPER_SEAT_H

#include "keeper/keeper.h"

/* ATTACH: sit down, at once or when the driver has let go. The message's descriptors are taken. */
void lxe_seat_attach(struct lxe_channel *c, struct lxe_msg *msg);

/* YIELDED: the driver has let go. */
void lxe_seat_yielded(struct lxe_channel *c, struct lxe_msg *msg);

/* WATCH. */
void lxe_seat_watch(struct lxe_channel *c);

/* This connection is about to end. */
void lxe_seat_lost(struct lxe_channel *c);

/* Something was read from the pty: whoever watches is told, as far as he takes it. */
void lxe_seat_output(struct lxe_process *p);

/* A watcher may be able to take more. */
void lxe_seat_writable(struct lxe_channel *c);

/* Keep what the terminal shows in the sandbox's directory, for `logs` of one that has ended. */
int lxe_seat_save(const struct lxe_process *p);

#endif
