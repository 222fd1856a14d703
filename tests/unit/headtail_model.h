/*
 * What head and tail of a whole stream are, said in the simplest way, and a walk through the module in
 * steps of any size: for the unit test and the fuzzer.
 */
#ifndef HEADTAIL_MODEL_H
#define HEADTAIL_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "terminal/cut.h"
#include "terminal/headtail.h"

struct stream {
	unsigned char *p;
	size_t n, room;
};

static void stream_add(struct stream *s, const void *p, size_t n)
{
	if (s->n + n >= s->room) {
		s->room = 2 * (s->n + n) + 1;
		s->p = realloc(s->p, s->room);
	}
	if (!s->p)
		abort();
	if (n)
		memcpy(s->p + s->n, p, n);
	s->n += n;
}

/* Where a tail that may begin at `start` does. */
static size_t model_tail(const struct stream *in, size_t start)
{
	size_t from = start > LXE_CUT_ZONE ? start - LXE_CUT_ZONE : 0;
	size_t to = start + LXE_CUT_ZONE < in->n ? start + LXE_CUT_ZONE : in->n;

	return from + lxe_cut_after(in->p + from, to - from, start - from);
}

/* `head` is where the module has cut: that depends on the steps, within a zone. */
static void model(const struct stream *in, size_t limit, size_t head, struct stream *out)
{
	char marker[100];
	size_t tail;

	if (in->n <= limit) {
		stream_add(out, in->p, in->n);
		return;
	}
	tail = model_tail(in, in->n - limit / 2);
	snprintf(marker, sizeof(marker), "%s[lxc-exec: %zu bytes dropped]\n",
		head && in->p[head - 1] != '\n' ? "\n" : "", tail - head);
	stream_add(out, in->p, head);
	stream_add(out, marker, strlen(marker));
	stream_add(out, in->p + tail, in->n - tail);
}

/* Put up to n bytes in; what found room. */
static size_t put(struct lxe_headtail *h, const unsigned char *p, size_t n)
{
	struct iovec parts[2];
	size_t room = lxe_headtail_room(h, parts), first;

	if (n > room)
		n = room;
	first = n < parts[0].iov_len ? n : parts[0].iov_len;
	memcpy(parts[0].iov_base, p, first);
	memcpy(parts[1].iov_base, p + first, n - first);
	lxe_headtail_fed(h, n);
	return n;
}

/* Deliver at most max bytes. */
static size_t get(struct lxe_headtail *h, struct stream *out, size_t max)
{
	struct iovec v = lxe_headtail_next(h);
	size_t n = v.iov_len < max ? v.iov_len : max;

	stream_add(out, v.iov_base, n);
	lxe_headtail_taken(h, n);
	return n;
}

/* Everything through it, in steps drawn from the state. False: it stood still. */
static bool walk(const struct stream *in, size_t limit, uint64_t *state, struct stream *out)
{
	size_t size = lxe_headtail_size(limit), done = 0;
	void *memory = aligned_alloc(64, size);
	struct lxe_headtail h;
	uint64_t written, dropped;
	bool moves = true;

	if (!memory)
		abort();
	memset(memory, 0, 64);
	memset((char *)memory + 64, 'X', size - 64);
	lxe_headtail_view(&h, memory, limit, false);
	while (moves && done < in->n) {
		size_t max = rnd_below(state, 4) ? in->n - done : 1 + rnd_below(state, 80);
		size_t n = put(&h, in->p + done, max < in->n - done ? max : in->n - done);

		done += n;
		moves = n > 0;
		for (size_t i = rnd_below(state, 4); i; i--)
			moves |= get(&h, out, 1 + rnd_below(state, 300000)) > 0;
		/* One process dies, and another goes on. */
		if (rnd_below(state, 8) == 0)
			lxe_headtail_view(&h, memory, limit, false);
		moves |= get(&h, out, SIZE_MAX) > 0;
	}
	lxe_headtail_end(&h);
	while (get(&h, out, 1 + rnd_below(state, 5000)))
		;
	lxe_headtail_count(&h, &written, &dropped);
	moves &= done == in->n && written == in->n && (dropped > 0) == (in->n > limit);
	free(memory);
	return moves || !in->n;
}

/* Does the delivered stream agree with the model for a head that was cut near its place? */
static bool agrees(const struct stream *in, size_t limit, const struct stream *out)
{
	size_t last = limit - limit / 2, first = last > LXE_CUT_ZONE ? last - LXE_CUT_ZONE : 0;
	bool same = false;

	for (size_t head = last; !same && head + 1 > first; head--) {
		struct stream wanted = { 0 };

		model(in, limit, head, &wanted);
		same = wanted.n == out->n &&
		       memcmp(wanted.p ? wanted.p : in->p, out->p ? out->p : in->p, out->n) == 0;
		free(wanted.p);
		if (head == 0)
			break;
	}
	return same;
}

#endif
