#include <errno.h>
#include <string.h>

#include "store/slots_layout.h"
#include "sys/futex.h"
#include "sys/lock.h"
#include "sys/proc.h"

/* A reader is in the way of a turn for nanoseconds; so often in a row it is not by chance. */
#define READ_ATTEMPTS 256

const char *lxe_metrics_state_name(uint32_t state)
{
	static const char *const names[LXE_METRICS_STATES] = {
		[LXE_METRICS_CREATING] = "creating",
		[LXE_METRICS_CREATED] = "created",
		[LXE_METRICS_RUNNING] = "running",
		[LXE_METRICS_STOPPED] = "stopped",
		[LXE_METRICS_FAILED] = "failed",
	};

	return state < LXE_METRICS_STATES ? names[state] : "unknown";
}

/* The copy that is shown, if it still was after it was read. */
static bool read_data(struct slot *slot, union slot_words *ret)
{
	uint64_t seq = atomic_load_explicit(&slot->seq, memory_order_acquire);
	const _Atomic uint64_t *from = slot->copy[seq & 1];

	for (size_t i = 0; i < SLOT_DATA_WORDS; i++)
		ret->word[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&slot->seq, memory_order_relaxed) == seq;
}

/* A copy of one moment of a slot that is not free: false when there is none to be had. */
static bool view_slot(struct lxe_slots *s, uint32_t index, struct lxe_slot_view *ret)
{
	struct slot *slot = &s->slot[index];
	union slot_words words;

	for (int i = 0; i < READ_ATTEMPTS; i++) {
		uint64_t life = atomic_load_explicit(&slot->life, memory_order_acquire);

		if (slot_phase(life) == LXE_SLOT_FREE)
			return false;
		/* Data of another generation: the slot changes its owner. */
		if (!read_data(slot, &words) || words.data.generation != life >> 32)
			continue;
		*ret = (struct lxe_slot_view){
			.index = index,
			.generation = words.data.generation,
			.phase = slot_phase(life),
			.metrics = words.data.metrics,
		};
		memcpy(ret->id, words.data.id, LXE_ID_LEN);
		return true;
	}
	return false;
}

int lxe_slots_read(struct lxe_slots *s, lxe_slots_visit visit, void *arg)
{
	uint32_t high = slots_high(s);
	struct lxe_slot_view view;
	int n = 0, r;

	for (uint32_t i = 0; i < high; i++) {
		if (!view_slot(s, i, &view))
			continue;
		r = visit(arg, &view);
		if (r)
			return r;
		n++;
	}
	return n;
}

int lxe_slots_is_owned(struct lxe_slots *s, const struct lxe_slot_view *view)
{
	const struct slot *slot = &s->slot[view->index];
	uint64_t life;
	int r;

	if (slot_is_own(s, view->index))
		return 1;
	r = sys_range_is_locked(s->fd, slot_offset(view->index), SLOT_SIZE);
	if (r)
		return r;
	/* Released since it was seen: nobody died. */
	life = atomic_load(&slot->life);
	if (slot_phase(life) == LXE_SLOT_FREE || life >> 32 != view->generation)
		return -ESTALE;
	return 0;
}

/* 1 when it was freed, 0 when it has a living owner or is none of those that are meant. */
static int collect_one(struct lxe_slots *s, uint32_t index, const char *id)
{
	struct lxe_slot_view view;
	int r;

	if (slot_is_own(s, index) || !view_slot(s, index, &view))
		return 0;
	if (id && strcmp(id, view.id) != 0)
		return 0;
	r = sys_lock_range(s->fd, slot_offset(index), SLOT_SIZE);
	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	lxe_slots_vacate(s, index);
	return 1;
}

int lxe_slots_collect(struct lxe_slots *s, const char *id)
{
	uint32_t high = slots_high(s);
	int n = 0;

	if (s->dir >= 0)
		return -EPERM; /* who looks has mapped the slots read-only */
	for (uint32_t i = 0; i < high; i++) {
		int r = collect_one(s, i, id);

		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

static void announce(struct slots_header *header, uint64_t until)
{
	uint64_t seen = atomic_load(&header->awaited_until);

	while (seen < until)
		if (atomic_compare_exchange_weak(&header->awaited_until, &seen, until))
			break;
}

static bool is_old(struct lxe_slots *s, uint32_t index, uint64_t since, struct lxe_slot_view *view)
{
	return view_slot(s, index, view) && view->phase == LXE_SLOT_ACTIVE &&
	       view->metrics.updated_us < since;
}

/* 1 when the slot stayed old until the deadline, 0 when it needs no more waiting for. */
static int await_one(struct lxe_slots *s, uint32_t index, uint64_t since, uint64_t deadline)
{
	bool looked = false;

	for (;;) {
		struct slots_header *header = s->header;
		/* Before the look: a publication after it ends the wait at once. */
		uint32_t seen = atomic_load(&header->publications);
		struct lxe_slot_view view;
		uint64_t now;
		int r;

		if (!is_old(s, index, since, &view))
			return 0;
		now = sys_now_us();
		if (now >= deadline)
			return 1;
		if (!looked && lxe_slots_is_owned(s, &view) <= 0)
			return 0;
		looked = true;
		r = sys_futex_wait(&header->publications, seen, deadline - now);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
	}
}

int lxe_slots_await_fresh(struct lxe_slots *s, uint64_t since_us, uint32_t timeout_ms)
{
	uint64_t deadline = sys_now_us() + (uint64_t)timeout_ms * 1000;
	uint32_t high = slots_high(s);
	int old = 0;

	announce(s->header, deadline);
	for (uint32_t i = 0; i < high; i++) {
		int r = await_one(s, i, since_us, deadline);

		if (r < 0)
			return r;
		old += r;
	}
	return old;
}
