/*
 * The first stage of unpacking an archive: what it is packed with is told by its first bytes, not by its name, and it is read
 * once, from a file or a pipe, with a line now and then that says how far it is.
 */
#ifndef LXE_CONTAINER_FEED_H
#define LXE_CONTAINER_FEED_H

#include <stddef.h>

#define LXE_FEED_HEAD 512

struct lxe_feed {
	int input;
	unsigned char head[LXE_FEED_HEAD]; /* has been read already */
	size_t n;
};

/* Read the head. 0, or a negative errno. */
int lxe_feed_begin(struct lxe_feed *feed, int input);

/* The program that unpacks it, with its words; NULL: none is needed. *package is Debian's that has it. */
const char *const *lxe_feed_unpacker(const struct lxe_feed *feed, const char **package);

/* Write all of it to standard output, of a struct lxe_feed: 0, or a negative errno. */
int lxe_feed_main(void *arg);

#endif
