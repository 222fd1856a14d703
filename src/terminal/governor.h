/*
 * Output governance: what a command puts out on its way to the caller, limited to a head and a tail
 * (headtail.h), with everything going to a spill file beside. Its state is in a memfd that the keeper
 * makes and the client maps: one of the two reads and delivers, and when that one is killed, the other
 * delivers what was kept. Never waits, but for the disk, and for milliseconds where it cannot but try
 * (sys/brief.h).
 *
 *   without a terminal: the keeper reads two pipes            (keeper/output.c)
 *   with one: the client's relay puts in what came from it    (relay.c), as the first stream
 */
#ifndef LXE_TERMINAL_GOVERNOR_H
#define LXE_TERMINAL_GOVERNOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/outcome.h"

struct lxe_governor;

/* Make one: *ret_fd is the memfd (the caller's) to be sent to the other process. */
int lxe_governor_new(struct lxe_governor **ret, int *ret_fd, uint64_t limit, bool terminal);

/* Map one that was received; -EBADMSG when it is not one for this limit. */
int lxe_governor_map(struct lxe_governor **ret, int fd, uint64_t limit, bool terminal);
void lxe_governor_free(struct lxe_governor *g);

/*
 * Where a stream goes, and where all of them: descriptors that become the governor's. What is no
 * regular file should not block; what does, and is no socket, is given a page at a time.
 */
void lxe_governor_set_out(struct lxe_governor *g, enum lxe_stream stream, int fd);
void lxe_governor_set_spill(struct lxe_governor *g, int fd);
int lxe_governor_out(const struct lxe_governor *g, enum lxe_stream stream);

/* Nothing can be taken in as long as the head waits for its reader. */
bool lxe_governor_has_room(const struct lxe_governor *g, enum lxe_stream stream);

/* Read once: bytes, 0 at the end of file, or a negative errno; -ENOBUFS: there is no room. */
ssize_t lxe_governor_read(struct lxe_governor *g, enum lxe_stream stream, int fd, size_t max);

/* Put bytes in: how many there was room for. After the end all are taken, and gone. */
size_t lxe_governor_put(
	struct lxe_governor *g, enum lxe_stream stream, const void *bytes, size_t n);

/* Nothing more comes in: the tail follows. */
void lxe_governor_end(struct lxe_governor *g, enum lxe_stream stream);

/* Is there something to be delivered now? */
bool lxe_governor_pending(struct lxe_governor *g, enum lxe_stream stream);

/* Deliver what can be: was anything (0, 1)? -EPIPE: nobody reads it; or why it cannot be written. */
int lxe_governor_push(struct lxe_governor *g, enum lxe_stream stream);

/* What the result record says of it. */
void lxe_governor_tell(const struct lxe_governor *g, struct lxe_outcome *o);

#endif
