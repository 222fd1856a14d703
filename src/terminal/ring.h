/*
 * The terminal's output ring: the last 256 KiB that came from the pty master, in a memfd that the
 * driving client and the keeper share. One writer at any moment (whoever reads the master); it
 * reads from the master straight into the ring and then publishes. Readers follow by position: the
 * number of bytes ever written, which also counts the output of the sandbox.
 */
#ifndef LXE_TERMINAL_RING_H
#define LXE_TERMINAL_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define LXE_RING_SIZE (256 * 1024)
#define LXE_RING_ROOM_MAX ((size_t)8 * 1024) /* a pty gives at most 4095 bytes at once */

struct lxe_ring; /* mapped, shared */

/* Make a ring: *ret_fd is the memfd (the caller's) to be sent to the other process. */
int lxe_ring_new(struct lxe_ring **ret, int *ret_fd);

/* Map a ring that was received; -EBADMSG when it does not look like one. */
int lxe_ring_map(struct lxe_ring **ret, int fd);
void lxe_ring_unmap(struct lxe_ring *ring);

uint64_t lxe_ring_written(const struct lxe_ring *ring); /* position of the next byte */

/*
 * The contiguous room at the writing position, at most `max` and LXE_RING_ROOM_MAX; publish makes the first `n` bytes of
 * it visible (n = 0: nothing). The writer alone calls both, in turn.
 */
struct iovec lxe_ring_room(struct lxe_ring *ring, size_t max);
void lxe_ring_publish(struct lxe_ring *ring, size_t n);

/* Bytes that drivers have written to the master; each adds what it wrote, at any time. */
void lxe_ring_add_input(struct lxe_ring *ring, uint64_t n);
uint64_t lxe_ring_input(const struct lxe_ring *ring);

/*
 * After the writer has died: what it had read into its room and could not publish any more, which is
 * everything up to the last byte there that is not NUL.
 */
void lxe_ring_recover(struct lxe_ring *ring);

/* The oldest position whose byte is still there: 256 KiB back, less the last room. It never goes back. */
uint64_t lxe_ring_oldest(const struct lxe_ring *ring);

/* The position nearest to `position` from which reading is possible: oldest..written. */
uint64_t lxe_ring_clamp(const struct lxe_ring *ring, uint64_t position);

/*
 * Where a reader begins who wants to know what the terminal shows: the oldest position for which it
 * is known what had been set before it, which goes to *modes.
 */
struct lxe_modes;
uint64_t lxe_ring_start(const struct lxe_ring *ring, struct lxe_modes *modes);

/*
 * The contiguous bytes from lxe_ring_clamp(position) on; empty when that is the end. A reader that
 * may have fallen behind clamps its position itself first, because peek cannot tell it how far it
 * was moved. One that reads while another process writes copies the bytes and then looks again:
 * they are good if its position is still >= lxe_ring_oldest().
 */
struct iovec lxe_ring_peek(const struct lxe_ring *ring, uint64_t position);

#endif
