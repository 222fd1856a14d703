/*
 * The keeper's connections. The creator's is born with the keeper; every other one comes in through
 * the sandbox's socket and has a second to say HELLO with the right nonce. A connection that says
 * anything wrong is closed, which is noted in the sandbox's log and touches nothing else.
 */
#ifndef LXE_KEEPER_CHANNEL_H
#define LXE_KEEPER_CHANNEL_H

#include <stdbool.h>
#include <sys/types.h>

#include "keeper/loop.h"
#include "proto/msg.h"

struct lxe_keeper;
struct lxe_process;

struct lxe_channel {
	struct lxe_keeper *keeper;
	struct lxe_channel *next;
	int fd;
	struct lxe_source source;
	struct lxe_timer hello; /* when it has to have said who it is */
	enum lxe_role role;	/* 0: not known yet */
	pid_t peer;
	struct lxe_process *process; /* what it talks about */
	bool holds;		     /* its end ends the process */
	bool waits;		     /* it wants to know how the process ends */
	struct lxe_msg *attach;	     /* of a driver: the caller's terminal, to be restored */
	bool bye;		     /* it was */
	bool watches;
	bool behind;	   /* a watcher who does not take more for now */
	uint64_t position; /* in the ring: what a watcher has */
	bool starts;	   /* it wants to know whether the start succeeds */
	bool layers;	   /* it has layers of ours, and what it does with them is waited for */
	bool commits;	   /* what it has them for may leave something in the sources */
	bool freezes;	   /* nothing inside runs until its end */
	bool detached;	   /* its end means nothing any more */
	bool over; /* what it talked about is: nothing that it says is meant for anything else */
};

/* Take `fd`; a role that is not 0 needs no HELLO. NULL: it was closed. */
struct lxe_channel *lxe_channel_new(struct lxe_keeper *k, int fd, enum lxe_role role);

/* Close it and forget it; nothing else happens. */
void lxe_channel_free(struct lxe_channel *c);

/* Note why in the sandbox's log, and close it as if its peer had gone. */
void lxe_channel_refuse(struct lxe_channel *c, const char *why);

/* The process is about to go: whoever waits for it is told, and nobody talks about it any more. */
void lxe_channels_let_go(struct lxe_process *p);

/* A peer that does not take what it is told is gone: that is heard of as an event. */
void lxe_channel_send(struct lxe_channel *c, const struct lxe_msg *msg);
/* A request that cannot be met: an outcome of its own, and nothing else happens. */
void lxe_channel_send_refusal(struct lxe_channel *c, const struct lxe_err *err);
void lxe_channel_send_outcome(struct lxe_channel *c, const struct lxe_outcome *outcome);
void lxe_channel_say(struct lxe_channel *c, enum lxe_msg_type type);

/* Make the sandbox's socket and listen; stop listening. */
int lxe_channels_listen(struct lxe_keeper *k, struct lxe_err *err);
void lxe_channels_close(struct lxe_keeper *k);

#endif
