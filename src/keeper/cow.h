/*
 * Copy-on-write mounts from the keeper's side: it holds the directory below each and that of its layer, and gives
 * both to whoever may ask (a client, who lists and carries over what has changed with his own rights). At the end of a
 * run that says what is to become of them (--dry-run, --on-success, --on-failure) it waits for its client, once nothing
 * runs inside any more.
 */
#ifndef LXE_KEEPER_COW_H
#define LXE_KEEPER_COW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "proto/msg.h"
#include "rootfs/sources.h"

struct lxe_keeper;
struct lxe_channel;

struct lxe_keeper_layer {
	size_t index;	   /* in the spec's list of mounts */
	int source, layer; /* their directories */
};

struct lxe_keeper_cow {
	struct lxe_keeper_layer *v;
	size_t n;
	unsigned int freezers; /* connections until whose end nothing inside runs */
	bool settling;	       /* the client was asked, and has not answered */
	bool keep;	       /* it could not carry all over: the sandbox stays */
};

/* Take the directories over from what was placed. Costs nothing where there is no such mount. */
int lxe_cow_take(struct lxe_keeper *k, struct lxe_sources *sources, struct lxe_err *err);
void lxe_cow_release(struct lxe_keeper_cow *cow);

/* Name what commits may make in the sources, before there can be one. */
int lxe_cow_journal(struct lxe_keeper *k, struct lxe_err *err);

/* LAYER and SETTLED. */
void lxe_cow_give(struct lxe_channel *c, const struct lxe_msg *msg);
void lxe_cow_settled(struct lxe_channel *c, const struct lxe_msg *msg);

/* Does the sandbox stay, because it was made to, or because of what could not be carried over? */
bool lxe_cow_keeps(const struct lxe_keeper *k);

/* A connection has ended that had asked for a freeze. */
void lxe_cow_thaw(struct lxe_keeper *k);

/*
 * The command has ended: wait a while for commits that are at work; if its client is to say what becomes of the layers, end
 * all else and wait for him.
 */
void lxe_cow_settle(struct lxe_keeper *k);

#endif
