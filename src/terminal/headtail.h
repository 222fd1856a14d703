/*
 * The head and the tail of a stream: what comes first is passed on at once, of the rest the end is
 * kept, and what lies between is dropped and counted. Pure, over memory of the caller's that two
 * processes may share: one of them fills and delivers, and the other may go on when it has died.
 * The memory is bounded by the limit, whatever comes.
 *
 *   room ──► fed ──► [ ring: what was not delivered yet, or the tail ] ──► next ──► taken
 *
 * Up to `limit` bytes pass unchanged. Of more, the first half and the last half do, each cut between
 * characters and control sequences as far as that is near (cut.h), with a line between them that
 * says how many bytes are missing.
 */
#ifndef LXE_TERMINAL_HEADTAIL_H
#define LXE_TERMINAL_HEADTAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define LXE_HEADTAIL_CHUNK ((size_t)128 * 1024) /* the most that room offers */
#define LXE_HEADTAIL_MARKER 64

struct lxe_headtail_memory;

/* A view of the memory. A plain value that owns nothing. */
struct lxe_headtail {
	struct lxe_headtail_memory *m;
	unsigned char *ring;
	uint64_t limit;
	size_t capacity;
	bool terminal;			  /* lines end with CR LF */
	char marker[LXE_HEADTAIL_MARKER]; /* made when it is delivered */
};

/* Bytes of memory for this limit, a multiple of 64; they begin as zeros, at a multiple of 64. */
size_t lxe_headtail_size(uint64_t limit);
void lxe_headtail_view(struct lxe_headtail *ret, void *memory, uint64_t limit, bool terminal);

/*
 * Where the next bytes of the stream go: the total room, in up to two parts. 0: what is to be passed on
 * comes first, or the stream was ended. Then how many came.
 */
size_t lxe_headtail_room(const struct lxe_headtail *h, struct iovec parts[2]);
void lxe_headtail_fed(struct lxe_headtail *h, size_t n);

/* Nothing more comes: the tail may be delivered. Again: nothing happens. */
void lxe_headtail_end(struct lxe_headtail *h);
bool lxe_headtail_ended(const struct lxe_headtail *h);

/* What can be delivered now (iov_len 0: nothing), and how much of it was. */
struct iovec lxe_headtail_next(struct lxe_headtail *h);
void lxe_headtail_taken(struct lxe_headtail *h, size_t n);

/* Bytes that came, and that were left out of what is delivered: before the end, at least so many. */
void lxe_headtail_count(const struct lxe_headtail *h, uint64_t *written, uint64_t *dropped);

#endif
