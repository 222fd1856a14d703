/*
 * The rules of sandboxes that end at the same time go in one transaction. Whoever has removed some of a network
 * namespace's nftables waits for the kernel's readers, 10 to 20 ms each time, and all others who change or have read
 * them wait for him: twenty ends one after the other would take as long as all the rest of twenty runs.
 *
 * Whoever wants rules gone queues their texts (a file in RUN/network), then waits for a lock. Who gets it and
 * finds his own texts still there leads: what is queued by then is his to run. Who finds his own gone has nothing
 * left to do: a leader has run them, and looked whether they worked. A leader that fails leaves the others' where
 * they are, and one that is killed does not hold the lock longer than the tools that it has started live.
 */
#ifndef LXE_NETWORK_TOGETHER_H
#define LXE_NETWORK_TOGETHER_H

#include <stdbool.h>
#include <stddef.h>

#define LXE_TOGETHER_MAX 64
#define LXE_TOGETHER_ID 9 /* bytes of the beginning of an id */
#define LXE_TOGETHER_FAMILIES 2

struct lxe_together {
	int dir, lock;
	char own[48];				     /* of whom it is, in the queue */
	char ids[LXE_TOGETHER_MAX][LXE_TOGETHER_ID]; /* whose rules go, this one's among them */
	size_t n;
	char *texts[LXE_TOGETHER_FAMILIES]; /* IPv4, IPv6: what to run, or NULL; owned */
};

/*
 * Queue the texts (files; the second may be negative), and wait for the lock, as long as leaders' tools take. 1: a
 * leader has done it. 0: this one leads. Negative: it cannot be done together. To be ended in any case.
 */
int lxe_together_begin(struct lxe_together *ret, const char *run, const char *id8,
	const int texts[LXE_TOGETHER_FAMILIES]);

/* `done`: all of them have been seen to be gone. Otherwise only this one's leave the queue. */
void lxe_together_end(struct lxe_together *t, bool done);

/* What is queued of a sandbox that somebody else takes down. */
void lxe_together_forget(const char *run, const char *id8);

/*
 * Pure: several texts of one family as one, each table once: what is in `all` before (or NULL), and `text`. -EBADMSG:
 * it is none, and `all` as before.
 */
int lxe_together_merge(char **all, const char *text);

#endif
