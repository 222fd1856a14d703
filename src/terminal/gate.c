#include "terminal/gate.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_MS 1
#define WAITS_MAX 64

struct wait {
	pid_t pid;
	uint64_t fingerprint;
	uint64_t since_ms;
};

struct lxe_gate {
	uint64_t start_ms;
	uint64_t step_ms;
	bool open;
	size_t n_waits;
	struct wait waits[WAITS_MAX]; /* who was in poll when last looked at, and since when */
};

int lxe_gate_new(struct lxe_gate **ret, uint64_t start_ms)
{
	struct lxe_gate *gate = calloc(1, sizeof(*gate));

	if (!gate)
		return -ENOMEM;
	gate->start_ms = start_ms;
	gate->step_ms = FIRST_MS;
	*ret = gate;
	return 0;
}

void lxe_gate_free(struct lxe_gate *gate)
{
	free(gate);
}

/* When the wait that `p` is in now was first seen: now, unless the last sample had the same one. */
static uint64_t waits_since(
	const struct lxe_gate *gate, const struct lxe_gate_process *p, uint64_t now_ms)
{
	for (size_t i = 0; i < gate->n_waits; i++) {
		const struct wait *w = &gate->waits[i];

		if (w->pid == p->pid && w->fingerprint == p->fingerprint)
			return w->since_ms;
	}
	return now_ms;
}

/* Replace what is known of the waits by what this sample says: the longest one, in ms. */
static uint64_t follow_waits(struct lxe_gate *gate, const struct lxe_gate_sample *sample)
{
	struct wait next[WAITS_MAX];
	uint64_t longest = 0;
	size_t n = 0;

	for (size_t i = 0; i < sample->n_processes && n < WAITS_MAX; i++) {
		const struct lxe_gate_process *p = &sample->processes[i];
		struct wait w = { .pid = p->pid, .fingerprint = p->fingerprint };

		if (p->wait != LXE_GATE_POLL)
			continue;
		w.since_ms = waits_since(gate, p, sample->now_ms);
		if (sample->now_ms - w.since_ms > longest)
			longest = sample->now_ms - w.since_ms;
		next[n++] = w;
	}
	for (size_t i = 0; i < n; i++)
		gate->waits[i] = next[i];
	gate->n_waits = n;
	return longest;
}

static bool somebody_reads(const struct lxe_gate_sample *sample)
{
	for (size_t i = 0; i < sample->n_processes; i++)
		if (sample->processes[i].wait == LXE_GATE_READ)
			return true;
	return false;
}

static uint64_t age(const struct lxe_gate *gate, uint64_t now_ms)
{
	return now_ms > gate->start_ms ? now_ms - gate->start_ms : 0;
}

bool lxe_gate_feed(struct lxe_gate *gate, const struct lxe_gate_sample *sample)
{
	uint64_t longest = follow_waits(gate, sample);

	/*
	 * A pty is canonical from birth, so whoever left that mode has set up its terminal. A process
	 * in poll may wait for something else: only one that stays is taken for a reader.
	 */
	if (!sample->canonical || somebody_reads(sample) || longest >= LXE_GATE_STAY_MS ||
		age(gate, sample->now_ms) >= LXE_GATE_CAP_MS)
		gate->open = true;
	gate->step_ms = gate->step_ms * 2 < LXE_GATE_STAY_MS ? gate->step_ms * 2 : LXE_GATE_STAY_MS;
	return gate->open;
}

/* How long until the oldest wait has lasted long enough; at most `ms`. */
static uint64_t until_stayed(const struct lxe_gate *gate, uint64_t now_ms, uint64_t ms)
{
	for (size_t i = 0; i < gate->n_waits; i++) {
		uint64_t due = gate->waits[i].since_ms + LXE_GATE_STAY_MS;

		if (due > now_ms && due - now_ms < ms)
			ms = due - now_ms;
	}
	return ms;
}

uint64_t lxe_gate_next_ms(const struct lxe_gate *gate, uint64_t now_ms)
{
	uint64_t old = age(gate, now_ms);

	if (gate->open)
		return 0;
	/* The latest sample was begun before the cap. */
	if (old >= LXE_GATE_CAP_MS)
		return 1;
	if (LXE_GATE_CAP_MS - old <= gate->step_ms)
		return LXE_GATE_CAP_MS - old;
	return until_stayed(gate, now_ms, gate->step_ms);
}
