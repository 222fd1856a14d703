/*
 * A process that does one piece of work on an image and dies with its caller: pid 1 of a pid
 * namespace, so that nothing it starts outlives it, with clean signals, no descriptors but those it
 * is given, and root of the namespace where the caller is an ordinary user's keeper. What is printed by it and by what
 * it starts is kept for the message of a failure. Blocks until all of it has ended.
 */
#ifndef LXE_CONTAINER_WORKER_H
#define LXE_CONTAINER_WORKER_H

#include <stddef.h>

#include "base/err.h"
#include "container/waiter.h"

/* The end of what was printed: enough for its last line. */
struct lxe_tail {
	char text[1024];
	size_t used;
};

struct lxe_worker {
	const char *what; /* that it runs, for messages */
	const char *disk; /* absolute: where it writes, for a message when that is full */
	int lock;	  /* kept open by it and by all that it starts; -EBADF: none */
	int timeout_ms;	  /* how long it may take */
	const struct lxe_waiter *waiter;
	/*
	 * What it does: its stdin is /dev/null, stdout and stderr are the pipe that is listened to. `parent` is a pidfd
	 * for lxe_worker_stay().
	 */
	int (*main)(void *arg, int parent, struct lxe_err *err);
	void *arg;
	/* Further descriptors that it keeps open, close-on-exec. */
	const int *keep;
	size_t n_keep;
};

/*
 * 0, or the negative errno that main() returned with what it described; -EIO without a description when it ended
 * by itself: *said is what there is to say. -ETIMEDOUT, or -ECANCELED when the waiter said so: nothing of it is alive
 * any more. -ENOSPC when what it failed at is a full disk.
 */
int lxe_worker_run(const struct lxe_worker *w, struct lxe_tail *said, struct lxe_err *err);

/* In the worker, after a change of credentials, which makes the kernel forget whom it dies with. */
int lxe_worker_stay(int parent);

/* The last line, as it was printed. */
void lxe_tail_line(const struct lxe_tail *tail, char *buf, size_t size);

#endif
