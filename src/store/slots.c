#include "store/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/slots_layout.h"
#include "sys/futex.h"
#include "sys/lock.h"
#include "sys/proc.h"

static int lock(struct lxe_slots *s, uint32_t index)
{
	return sys_lock_range(s->fd, slot_offset(index), SLOT_SIZE);
}

static void unlock(struct lxe_slots *s, uint32_t index)
{
	sys_unlock_range(s->fd, slot_offset(index), SLOT_SIZE);
}

static void hint_free(struct lxe_slots *s, uint32_t index)
{
	atomic_fetch_and(&s->header->used[index / 64], ~(1ULL << (index % 64)));
}

/* The lowest slot that nobody has announced to use, announced by us: -ENOSPC when there is none. */
static int hint_take(struct lxe_slots *s)
{
	for (uint32_t i = 0; i < SLOTS_WORDS; i++) {
		uint64_t word = atomic_load(&s->header->used[i]);

		while (~word) {
			uint64_t bit = ~word & (word + 1);

			word = atomic_fetch_or(&s->header->used[i], bit);
			if (!(word & bit))
				return (int)(i * 64 + (uint32_t)__builtin_ctzll(bit));
		}
	}
	return -ENOSPC;
}

/* A free slot, locked. One that somebody has after all stays announced. */
static int find_free(struct lxe_slots *s)
{
	for (uint32_t i = 0; i < LXE_SLOTS_MAX; i++) {
		int index = hint_take(s), r;

		if (index < 0)
			return index;
		r = lock(s, (uint32_t)index);
		if (r == 0)
			return index;
		if (r != -EAGAIN) {
			hint_free(s, (uint32_t)index);
			return r;
		}
	}
	return -ENOSPC;
}

/* A slot whose owner is dead, locked. */
static int find_dead(struct lxe_slots *s)
{
	for (uint32_t i = 0; i < LXE_SLOTS_MAX; i++) {
		int r;

		/* Our own lock would not be in our way. */
		if (slot_is_own(s, i))
			continue;
		r = lock(s, i);
		if (r == 0)
			return (int)i;
		if (r != -EAGAIN)
			return r;
	}
	return -ENOSPC;
}

/*
 * Everything below `high` has its space, and it is raised only after the rest below the new mark got
 * it: a page without space is SIGBUS for who touches it when the file system is full.
 */
static int get_space(struct lxe_slots *s, uint32_t index)
{
	uint32_t high = slots_high(s);
	off_t from = slot_offset(high);

	if (index < high)
		return 0;
	if (fallocate(s->fd, 0, from, slot_offset(index + 1) - from) < 0)
		return -errno;
	while (high <= index)
		if (atomic_compare_exchange_weak(&s->header->high, &high, index + 1))
			break;
	return 0;
}

/* Fill the copy that is not shown, then show it. */
static void write_data(struct slot *slot, const union slot_words *data)
{
	uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_relaxed) + 1;
	_Atomic uint64_t *to = slot->copy[seq & 1];

	/* Who sees a word of this also sees the turn before, and knows that his copy is gone. */
	atomic_thread_fence(memory_order_release);
	for (size_t i = 0; i < SLOT_DATA_WORDS; i++)
		atomic_store_explicit(&to[i], data->word[i], memory_order_relaxed);
	atomic_store_explicit(&slot->seq, seq, memory_order_release);
}

/* The slot is locked by us, whoever had it is dead or gone. */
static void occupy(struct lxe_slots *s, uint32_t index, const char *id, uint32_t *generation)
{
	struct slot *slot = &s->slot[index];
	union slot_words words = { 0 };

	*generation = (uint32_t)(atomic_load(&slot->life) >> 32) + 1;
	/* Free until the new data is there. */
	atomic_store(&slot->life, slot_life(*generation, LXE_SLOT_FREE));
	memcpy(words.data.id, id, LXE_ID_LEN);
	words.data.generation = *generation;
	words.data.metrics = (struct lxe_metrics){
		.bytes_in = LXE_METRIC_UNKNOWN,
		.bytes_out = LXE_METRIC_UNKNOWN,
		.created_us = sys_now_us(),
		.state = LXE_METRICS_CREATING,
	};
	words.data.metrics.updated_us = words.data.metrics.created_us;
	write_data(slot, &words);
	atomic_store(&slot->life, slot_life(*generation, LXE_SLOT_RESERVED));
	atomic_fetch_or(&s->header->used[index / 64], 1ULL << (index % 64));
	s->own[index / 64] |= 1ULL << (index % 64);
}

static int no_slot(struct lxe_err *err, int r)
{
	if (r != -ENOSPC)
		return lxe_fail(err, r, "reserve a metrics slot");
	lxe_fail_msg(err, r, "all %d metrics slots are taken", LXE_SLOTS_MAX);
	lxe_hint(err, "the sandbox runs without one; stats will not show it");
	return r;
}

int lxe_slot_reserve(
	struct lxe_slots *s, const char *id, struct lxe_slot_handle *ret, struct lxe_err *err)
{
	uint32_t index, generation;
	int found, r;

	if (strlen(id) != LXE_ID_LEN || strspn(id, "0123456789abcdef") != LXE_ID_LEN)
		return lxe_fail(err, -EINVAL, "reserve a metrics slot for '%s'", id);
	found = find_free(s);
	if (found == -ENOSPC)
		found = find_dead(s);
	if (found < 0)
		return no_slot(err, found);
	index = (uint32_t)found;
	r = get_space(s, index);
	if (r < 0) {
		unlock(s, index);
		hint_free(s, index);
		return lxe_fail(err, r, "get space for a metrics slot");
	}
	occupy(s, index, id, &generation);
	*ret = (struct lxe_slot_handle){ .slots = s, .index = index, .generation = generation };
	return 0;
}

/* The handle's slot, or NULL: a child has no mapping, and an old handle no slot. */
static struct slot *slot_of(const struct lxe_slot_handle *h)
{
	struct slot *slot;

	if (!h->slots || h->slots->pid != getpid() || !slot_is_own(h->slots, h->index))
		return NULL;
	slot = &h->slots->slot[h->index];
	return (uint32_t)(atomic_load(&slot->life) >> 32) == h->generation ? slot : NULL;
}

int lxe_slot_activate(const struct lxe_slot_handle *h)
{
	struct slot *slot = slot_of(h);

	if (!slot)
		return h->slots ? -ESTALE : 0;
	atomic_store(&slot->life, slot_life(h->generation, LXE_SLOT_ACTIVE));
	return 0;
}

/* The order of these two and of the waiter's (says so, then looks) is what no wake-up is lost by. */
static void wake_waiters(struct slots_header *header, uint64_t now)
{
	atomic_fetch_add(&header->publications, 1);
	if (atomic_load(&header->awaited_until) > now)
		sys_futex_wake_all(&header->publications);
}

int lxe_slot_publish(const struct lxe_slot_handle *h, const struct lxe_metrics *m)
{
	struct slot *slot = slot_of(h);
	const _Atomic uint64_t *shown;
	union slot_words words;
	uint64_t created;

	if (!slot)
		return h->slots ? -ESTALE : 0;
	shown = slot->copy[atomic_load_explicit(&slot->seq, memory_order_relaxed) & 1];
	for (size_t i = 0; i < SLOT_DATA_WORDS; i++)
		words.word[i] = atomic_load_explicit(&shown[i], memory_order_relaxed);
	created = words.data.metrics.created_us;
	words.data.metrics = *m;
	words.data.metrics.updated_us = sys_now_us();
	if (!m->created_us)
		words.data.metrics.created_us = created;
	write_data(slot, &words);
	wake_waiters(h->slots->header, words.data.metrics.updated_us);
	return 0;
}

void lxe_slots_vacate(struct lxe_slots *s, uint32_t index)
{
	struct slot *slot = &s->slot[index];
	uint64_t life = atomic_load(&slot->life);

	atomic_store(&slot->life, slot_life((uint32_t)(life >> 32), LXE_SLOT_FREE));
	s->own[index / 64] &= ~(1ULL << (index % 64));
	unlock(s, index);
	/* Last: announced as free before it is, it would be passed over for good. */
	hint_free(s, index);
}

void lxe_slot_release(struct lxe_slot_handle *h)
{
	if (slot_of(h))
		lxe_slots_vacate(h->slots, h->index);
	*h = LXE_SLOT_NONE;
}
