/*
 * The layout of RUN/slots, for slots*.c alone: a header of one page, then the slots. Another layout
 * is another version. Everything that changes is atomic; nothing in it is a pointer.
 */
#ifndef LXE_STORE_SLOTS_LAYOUT_H
#define LXE_STORE_SLOTS_LAYOUT_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "store/slots.h"

#define SLOTS_FILE "slots"
#define SLOTS_ASK "slots.ask"
#define SLOTS_MAGIC "LXESLOTS"
#define SLOTS_VERSION 1
#define SLOTS_HEADER 4096
#define SLOT_SIZE 256
#define SLOTS_SIZE (SLOTS_HEADER + LXE_SLOTS_MAX * SLOT_SIZE)
#define SLOTS_WORDS (LXE_SLOTS_MAX / 64)

/* What a file is known by; it never changes. */
struct slots_mark {
	char magic[8];
	uint32_t version, header_size, slot_size, count;
};

struct slots_header {
	struct slots_mark mark;
	_Atomic uint32_t high;		/* pages of the slots below it have their space */
	_Atomic uint32_t publications;	/* the futex of who waits for fresh data */
	_Atomic uint64_t awaited_until; /* somebody does, until this time; kills need no clean-up */
	_Atomic uint64_t used[SLOTS_WORDS]; /* where to look for a free one: a hint, never proof */
};

struct slot_data {
	char id[LXE_ID_LEN]; /* not terminated */
	uint32_t generation;
	struct lxe_metrics metrics;
};

#define SLOT_DATA_WORDS (sizeof(struct slot_data) / sizeof(uint64_t))

union slot_words {
	struct slot_data data;
	uint64_t word[SLOT_DATA_WORDS];
};

struct slot {
	_Atomic uint64_t life; /* generation << 32 | enum lxe_slot_phase */
	_Atomic uint64_t seq;  /* its last bit says which copy is shown */
	_Atomic uint64_t copy[2][SLOT_DATA_WORDS];
	uint64_t spare[4];
};

_Static_assert(sizeof(struct slots_header) <= SLOTS_HEADER, "the header is one page");
_Static_assert(sizeof(struct slot) == SLOT_SIZE, "a slot is four cache lines");
_Static_assert(sizeof(struct slot_data) % sizeof(uint64_t) == 0, "data is copied in words");

struct lxe_slots {
	int fd; /* the locks are its open file description's */
	int dir;
	pid_t pid; /* whose mapping it is */
	struct slots_header *header;
	struct slot *slot;
	uint64_t own[SLOTS_WORDS];
};

static inline uint64_t slot_life(uint32_t generation, enum lxe_slot_phase phase)
{
	return (uint64_t)generation << 32 | phase;
}

static inline enum lxe_slot_phase slot_phase(uint64_t life)
{
	return (enum lxe_slot_phase)(uint32_t)life;
}

static inline off_t slot_offset(uint32_t index)
{
	return SLOTS_HEADER + (off_t)index * SLOT_SIZE;
}

static inline bool slot_is_own(const struct lxe_slots *s, uint32_t index)
{
	return s->own[index / 64] >> (index % 64) & 1;
}

static inline uint32_t slots_high(struct lxe_slots *s)
{
	uint32_t high = atomic_load_explicit(&s->header->high, memory_order_acquire);

	return high < LXE_SLOTS_MAX ? high : LXE_SLOTS_MAX;
}

/* Free a slot whose lock the caller holds, and give the lock back. */
void lxe_slots_vacate(struct lxe_slots *s, uint32_t index);

#endif
