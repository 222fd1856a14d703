/*
 * The rules of sandboxes that begin or end at the same time go in one transaction. Each one alone would start two
 * programs that read the host's whole ruleset, and again whenever somebody has changed it meanwhile; and whoever has
 * removed some of a network namespace's nftables waits for the kernel's readers, 10 to 20 ms each time, and all who
 * change or have read them wait for him.
 *
 * Who gets a lock leads: he runs his own texts and what is queued by then. Who does not queues his texts (a file in
 * RUN/network) and waits for the lock; when he gets it and finds his texts gone he has nothing left to do: a
 * leader has run them, and looked whether they worked. A leader that fails leaves the others' where they
 * are, and one that is killed does not hold the lock longer than the tools that it has started live.
 */
#ifndef LXE_NETWORK_TOGETHER_H
#define LXE_NETWORK_TOGETHER_H

#include <stdbool.h>
#include <stddef.h>

#define LXE_TOGETHER_MAX 64
#define LXE_TOGETHER_ID 9 /* bytes of the beginning of an id */
#define LXE_TOGETHER_FAMILIES 2

enum lxe_together_kind {
	LXE_TOGETHER_SET,
	LXE_TOGETHER_UNDO,
	LXE_TOGETHER_KINDS,
};

struct lxe_together {
	int dir, lock;
	char own[48]; /* its name in the queue, or empty */
	struct {
		enum lxe_together_kind kind;
		char id[LXE_TOGETHER_ID];
	} members[LXE_TOGETHER_MAX]; /* whose texts they are, this one's first */
	size_t n;
	char *texts[LXE_TOGETHER_FAMILIES]; /* IPv4, IPv6: what to run, or NULL; owned */
};

/*
 * Lead with these texts (the second may be NULL), or wait as long as leaders' tools take. 1: a leader has
 * run them. 0: this one leads. Negative: it cannot be done together. To be ended in any case.
 */
int lxe_together_begin(struct lxe_together *ret, const char *run, const char *id8,
	enum lxe_together_kind kind, const char *const texts[LXE_TOGETHER_FAMILIES]);

/* Those of this kind have been run, and have worked: they leave the queue. */
void lxe_together_done(const struct lxe_together *t, enum lxe_together_kind kind);

/* The others' that are not done stay where they are, for themselves. */
void lxe_together_end(struct lxe_together *t);

/* What a sandbox whose keeper is dead may have queued. No leader runs it any more when this comes back. */
void lxe_together_forget(const char *run, const char *id8);

/*
 * Pure: several texts of one family as one, each table once: what is in `all` before (or NULL), and `text`. -EBADMSG:
 * it is none, and `all` as before.
 */
int lxe_together_merge(char **all, const char *text);

#endif
