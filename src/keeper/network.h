/*
 * The network of a keeper's sandbox: rules and addresses while the container is being made, the veth as soon as it
 * is there, all of it back beside its end. A sandbox without network has none of this: no call here does anything then.
 */
#ifndef LXE_KEEPER_NETWORK_H
#define LXE_KEEPER_NETWORK_H

#include "keeper/keeper.h"
#include "keeper/network_helper.h"
#include "keeper/network_user.h"
#include "keeper/ports.h"
#include "store/dirs.h"

struct lxe_network {
	struct lxe_dirs dirs;
	struct lxe_net_helper helper; /* who makes it, waits, and takes it back */
	bool made;		      /* it waits */
	struct lxe_ports ports;
	bool ready; /* the rules are in force, and what was given is known */
	struct lxe_net_given given;
	struct lxe_user_network user; /* instead of all the rest, for an ordinary user */
	int lease, undo_v4, undo_v6;
	int log; /* of what is blocked, until somebody listens to it, or a negative errno */
};

/* The journal's entries for it, at most LXE_NETWORK_ENTRIES: how many. */
#define LXE_NETWORK_ENTRIES 3
#define LXE_NETWORK_TEXT 24
size_t lxe_network_entries(
	struct lxe_keeper *k, struct lxe_entry *entries, char text[LXE_NETWORK_TEXT]);

/* After the journal names it all: begin, without waiting. */
int lxe_network_begin(struct lxe_keeper *k, struct lxe_err *err);

/* When pid 1 is up: wait for the rules, then make the veth. The command has not begun yet. */
int lxe_network_connect(struct lxe_keeper *k, struct lxe_err *err);

#endif
