/*
 * How a caller waits while something of its own goes on that takes its time: the keeper listens to
 * its client and to signals meanwhile, and ends it when they ask for that.
 */
#ifndef LXE_CONTAINER_WAITER_H
#define LXE_CONTAINER_WAITER_H

#include <stddef.h>

struct lxe_waiter {
	/*
	 * Wait until fd is readable, at most timeout_ms: 0, -ETIMEDOUT, or -ECANCELED when what goes
	 * on is to be given up. It may reap any child of the process. NULL: poll(2).
	 */
	int (*wait)(void *arg, int fd, int timeout_ms);
	/* What is printed meanwhile, as it comes; NULL: nobody reads it. Does not block. */
	void (*say)(void *arg, const char *text, size_t len);
	void *arg;
};

/* A NULL waiter is one with poll(2). */
int lxe_waiter_wait(const struct lxe_waiter *w, int fd, int timeout_ms);

/* Let time pass: 0, or -ECANCELED as soon as it is to be given up. */
int lxe_waiter_pause(const struct lxe_waiter *w, int ms);

void lxe_waiter_say(const struct lxe_waiter *w, const char *text, size_t len);

#endif
