/*
 * What takes its time, for a program that is not ours: done in a process of its own, which is nobody's child there
 * (sys/apart.h), has none of its descriptors and none of its handlers, and is waited for as long as the caller says. It is
 * not stopped then: a commit that has begun is completed. Internal to client/.
 */
#ifndef LXE_CLIENT_API_ASIDE_H
#define LXE_CLIENT_API_ASIDE_H

#include <stdint.h>

#include "base/err.h"

/* In that process: `out` is for what the caller is to read. 0, or a negative errno with what there is to say. */
typedef int lxe_aside_work(const void *arg, int out, struct lxe_err *err);

/*
 * What `work` has returned, with its error; -ETIMEDOUT: not within the limit. `arg` is its own copy, as of now. *out is a
 * file with what it has written, to be read from its beginning and closed by the caller, also after a failure; -EBADF: there is none.
 */
int lxe_api_aside(
	lxe_aside_work *work, const void *arg, uint64_t end, int *out, struct lxe_err *err);

#endif
