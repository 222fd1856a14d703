/*
 * The rules of sandboxes that begin or end at the same time go in one transaction, and one pair of
 * tools does it for all of them. Each one alone would start two programs that read the host's whole
 * ruleset, and again whenever somebody has changed it meanwhile; and whoever has removed some of a
 * network namespace's nftables waits for the kernel's readers, 10 to 20 ms each time, and all who
 * change or have read them wait for him.
 *
 * Who gets a lock leads: he runs his own texts and those that have been sent to him by then,
 * answers, and goes on with what has been sent meanwhile, as long as his own sandbox can wait. Who
 * does not get it sends his texts (RUN/network/<inode of the network namespace>.set or .undo) and
 * waits. When the leader has ended his tools he hands the lead, with the lock and the sockets, to the first
 * of those who wait. What fails for all each does alone; whoever's leader is killed waits for the
 * lock, which is held as long as the tools that have been started live.
 */
#ifndef LXE_NETWORK_TOGETHER_H
#define LXE_NETWORK_TOGETHER_H

#include <stdbool.h>
#include <stddef.h>

#include "network/lead.h"
#include "network/merge.h"

#define LXE_TOGETHER_MAX 64

/* What has become of the leader's own texts. */
enum lxe_own {
	LXE_OWN_WAITS,
	LXE_OWN_TOLD, /* they have been among those to run */
	LXE_OWN_DONE,
	LXE_OWN_REFUSED, /* they cannot be run with others' */
};

/* A leader, and what he has to do next. */
struct lxe_together {
	struct lxe_lead lead;
	struct lxe_together_member {
		char id[LXE_TOGETHER_ID];
		int file;	     /* with the texts */
		int socket;	     /* who waits there, or negative: the leader himself */
		bool merged;	     /* its texts are among those to run */
		unsigned int chains; /* where these make chains, LXE_CHAINS_IN() */
	} members[LXE_TOGETHER_MAX]; /* whose turn it is */
	size_t n;
	enum lxe_together_kind kind; /* of this turn */
	unsigned int sets;	     /* turns of that kind in a row */
	char *texts[LXE_FAMILIES];   /* IPv4, IPv6: what to run, or NULL; owned */
	bool crowd;		     /* somebody else has come as well */
	int later[LXE_TOGETHER_MAX]; /* to be closed at the end */
	size_t n_later;
	struct lxe_together_member self;
	enum lxe_together_kind own_kind;
	enum lxe_own own;
};

/*
 * Lead with these texts (either may be NULL), or wait until leaders have got to them. 1: one has run
 * them. 0: this one leads. Negative: it cannot be done together. To be ended in any case.
 *
 * `later`, negative for none, is a socket of netfilter's that the sandbox has had. Closed for good it
 * has the kernel wait for what others have just deleted, with the lock that their transactions need:
 * so the leader has a copy of it until he has ended his tools, which wait for the same. It is taken,
 * also when this fails.
 */
int lxe_together_begin(struct lxe_together *ret, const char *run, const char *id8,
	enum lxe_together_kind kind, const char *const texts[LXE_FAMILIES], int later);

/*
 * What is to be run now, of one kind: what is set waits in the kernel for what was deleted before.
 * False: nothing waits any more. Those of the last turn that are not done are their owners' matter.
 */
bool lxe_together_turn(struct lxe_together *t);

/* This turn's have been run, and have worked: who waits for them goes on. */
void lxe_together_done(struct lxe_together *t);

/* The next one leads. */
void lxe_together_end(struct lxe_together *t);

/*
 * What a sandbox whose keeper is dead may have sent: no leader runs it any more when this comes back.
 * Negative: it is not known.
 */
int lxe_together_forget(const char *run, const char *id8);

#endif
