/*
 * Where a value comes from that goes to the keeper and not into an argument: a file, or a descriptor of the
 * caller's. Whoever should write into a pipe is waited for, but not for ever. Descriptors are the caller's.
 */
#ifndef LXE_CLIENT_SOURCE_H
#define LXE_CLIENT_SOURCE_H

#include <stddef.h>
#include <sys/types.h>

/* To be read by lxe_source_read() only: what is no regular file does not block. */
int lxe_source_open(const char *path);

#define LXE_SOURCE_MS 30000 /* for somebody who has to type a passphrase first */

/*
 * Everything to its end, at most `max` bytes: how many, or a negative errno. -ETIMEDOUT: for so long nothing
 * came; a terminal's user has all the time he wants.
 */
ssize_t lxe_source_read(int fd, void *buf, size_t max, int timeout_ms);

#endif
