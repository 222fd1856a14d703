#include "terminal/headtail.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "terminal/cut.h"

/* Positions are numbers of bytes since the stream's beginning. */
struct lxe_headtail_memory {
	_Atomic uint64_t received;  /* all before it is in the ring, or was once */
	_Atomic uint64_t delivered; /* all before it was passed on, or dropped */
	uint64_t head;		    /* its end, known when so much was received */
	uint64_t tail;		    /* once ended: where what is delivered goes on */
	uint64_t dropped;
	uint64_t marked;    /* bytes of the marker that were delivered */
	unsigned char last; /* byte that was delivered of the head */
	_Atomic bool ended;
};

#define HEADER 64

_Static_assert(sizeof(struct lxe_headtail_memory) <= HEADER, "the ring lies behind it");

static uint64_t head_of(const struct lxe_headtail *h)
{
	return h->limit - h->limit / 2;
}

static uint64_t tail_of(const struct lxe_headtail *h)
{
	return h->limit / 2;
}

/* The tail, what a cut looks at before it, and what is being read while all that has to stay. */
static size_t capacity_for(uint64_t limit)
{
	return (size_t)(limit / 2 + 2 * LXE_CUT_ZONE + LXE_HEADTAIL_CHUNK + 63) & ~(size_t)63;
}

size_t lxe_headtail_size(uint64_t limit)
{
	return HEADER + capacity_for(limit);
}

void lxe_headtail_view(struct lxe_headtail *ret, void *memory, uint64_t limit, bool terminal)
{
	*ret = (struct lxe_headtail){
		.m = memory,
		.ring = (unsigned char *)memory + HEADER,
		.limit = limit,
		.capacity = capacity_for(limit),
		.terminal = terminal,
	};
}

/* As written by us or by a process that was killed: never beyond what came. */
static uint64_t delivered_of(const struct lxe_headtail *h)
{
	uint64_t received = atomic_load_explicit(&h->m->received, memory_order_acquire);
	uint64_t delivered = atomic_load_explicit(&h->m->delivered, memory_order_acquire);

	return delivered < received ? delivered : received;
}

/* The contiguous part of the ring from a position on. */
static struct iovec span(const struct lxe_headtail *h, uint64_t from, uint64_t n)
{
	size_t at = (size_t)(from % h->capacity), len = h->capacity - at;

	return (struct iovec){ h->ring + at, n < len ? (size_t)n : len };
}

/* The first byte that must not be overwritten. */
static uint64_t oldest_needed(const struct lxe_headtail *h, uint64_t received)
{
	uint64_t kept = tail_of(h) + 2 * LXE_CUT_ZONE, delivered = delivered_of(h);
	uint64_t oldest = received > kept ? received - kept : 0;
	bool head_is_open = received < head_of(h) || delivered < h->m->head;

	return head_is_open && delivered < oldest ? delivered : oldest;
}

size_t lxe_headtail_room(const struct lxe_headtail *h, struct iovec parts[2])
{
	uint64_t received = atomic_load_explicit(&h->m->received, memory_order_relaxed);
	uint64_t room = h->capacity - (received - oldest_needed(h, received));

	parts[0] = parts[1] = (struct iovec){ h->ring, 0 };
	if (h->m->ended || room > h->capacity)
		return 0;
	if (room > LXE_HEADTAIL_CHUNK)
		room = LXE_HEADTAIL_CHUNK;
	parts[0] = span(h, received, room);
	parts[1] = span(h, received + parts[0].iov_len, room - parts[0].iov_len);
	return (size_t)room;
}

static size_t copy_out(
	const struct lxe_headtail *h, uint64_t from, uint64_t to, unsigned char *bytes)
{
	for (uint64_t i = from; i < to; i++)
		bytes[i - from] = h->ring[i % h->capacity];
	return (size_t)(to - from);
}

/* The place up to `end` where the head may be cut. It is looked for at the end of the head only. */
static uint64_t cut_head(const struct lxe_headtail *h, uint64_t end)
{
	uint64_t from = end > LXE_CUT_ZONE ? end - LXE_CUT_ZONE : 0, cut;
	uint64_t delivered = delivered_of(h);
	unsigned char bytes[LXE_CUT_ZONE];

	if (end + LXE_CUT_ZONE <= head_of(h))
		return end;
	cut = from + lxe_cut_before(bytes, copy_out(h, from, end, bytes));
	if (cut >= delivered)
		return cut;
	/* Inside of what began before: its end may come, but the head does not wait for it. */
	return end < head_of(h) ? delivered : end;
}

static uint64_t cut_tail(const struct lxe_headtail *h, uint64_t received)
{
	uint64_t start = received - tail_of(h);
	uint64_t from = start > LXE_CUT_ZONE ? start - LXE_CUT_ZONE : 0;
	uint64_t to = start + LXE_CUT_ZONE < received ? start + LXE_CUT_ZONE : received;
	unsigned char bytes[2 * LXE_CUT_ZONE];
	size_t n = copy_out(h, from, to, bytes);

	return from + lxe_cut_after(bytes, n, (size_t)(start - from));
}

void lxe_headtail_fed(struct lxe_headtail *h, size_t n)
{
	uint64_t before = atomic_load_explicit(&h->m->received, memory_order_relaxed);

	/* Now, while its last bytes are there; and first, so that who goes on after us knows it. */
	if (before < head_of(h) && before + n >= head_of(h))
		h->m->head = cut_head(h, head_of(h));
	atomic_store_explicit(&h->m->received, before + n, memory_order_release);
}

static uint64_t received_by(const struct lxe_headtail *h)
{
	return atomic_load_explicit(&h->m->received, memory_order_acquire);
}

void lxe_headtail_end(struct lxe_headtail *h)
{
	struct lxe_headtail_memory *m = h->m;
	uint64_t received = received_by(h);

	if (atomic_load_explicit(&m->ended, memory_order_acquire))
		return;
	if (received > h->limit) {
		m->tail = cut_tail(h, received);
		m->dropped = m->tail - m->head;
	} else {
		m->head = m->tail = received;
	}
	atomic_store_explicit(&m->ended, true, memory_order_release);
}

bool lxe_headtail_ended(const struct lxe_headtail *h)
{
	return atomic_load_explicit(&h->m->ended, memory_order_acquire);
}

static size_t make_marker(struct lxe_headtail *h)
{
	const char *end = h->terminal ? "\r\n" : "\n";

	return (size_t)snprintf(h->marker, sizeof(h->marker), "%s[lxc-exec: %llu bytes dropped]%s",
		!h->m->head || h->m->last == '\n' ? "" : end, (unsigned long long)h->m->dropped,
		end);
}

/* Which part is next, and from where on. */
enum part { HEAD, MARKER, TAIL };

static enum part next_part(struct lxe_headtail *h, uint64_t *from, uint64_t *n)
{
	struct lxe_headtail_memory *m = h->m;
	uint64_t received = received_by(h), delivered = delivered_of(h), head = m->head;

	if (!m->ended && received < head_of(h))
		head = cut_head(h, received);
	*from = delivered;
	*n = head > delivered ? head - delivered : 0;
	if (*n || !m->ended)
		return HEAD;
	*from = m->marked;
	*n = m->dropped ? make_marker(h) : 0;
	if (*n > m->marked) {
		*n -= m->marked;
		return MARKER;
	}
	*from = delivered > m->tail ? delivered : m->tail;
	*n = received > *from ? received - *from : 0;
	return TAIL;
}

struct iovec lxe_headtail_next(struct lxe_headtail *h)
{
	uint64_t from, n;

	if (next_part(h, &from, &n) == MARKER)
		return (struct iovec){ h->marker + from, (size_t)n };
	return span(h, from, n);
}

void lxe_headtail_taken(struct lxe_headtail *h, size_t n)
{
	uint64_t from, left;

	if (!n)
		return;
	switch (next_part(h, &from, &left)) {
	case MARKER:
		h->m->marked += n;
		return;
	case HEAD:
		h->m->last = h->ring[(from + n - 1) % h->capacity];
		break;
	case TAIL:
		break;
	}
	atomic_store_explicit(&h->m->delivered, from + n, memory_order_release);
}

void lxe_headtail_count(const struct lxe_headtail *h, uint64_t *written, uint64_t *dropped)
{
	uint64_t received = received_by(h);

	*written = received;
	if (h->m->ended)
		*dropped = h->m->dropped;
	else
		*dropped = received > h->limit ? received - h->limit : 0;
}
