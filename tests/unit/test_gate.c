#include "terminal/gate.h"

#include <criterion/criterion.h>

/* Decisions by table: what one or several samples lead to. */

struct moment {
	uint64_t ms;
	bool cooked;
	struct lxe_gate_process p[2];
	size_t n;
};

struct history {
	const char *name;
	struct moment moments[5];
	size_t n;
	bool opens; /* with the last of them, and not before */
};

#define POLL(id, print)                                                    \
	{                                                                  \
		.pid = (id), .wait = LXE_GATE_POLL, .fingerprint = (print) \
	}
#define READ(id)                                   \
	{                                          \
		.pid = (id), .wait = LXE_GATE_READ \
	}
#define BUSY(id)                                   \
	{                                          \
		.pid = (id), .wait = LXE_GATE_BUSY \
	}

static const struct history histories[] = {
	{ "nobody there", { { 0, true, { { 0 } }, 0 }, { 4999, true, { { 0 } }, 0 } }, 2, false },
	{ "the cap", { { 0, true, { { 0 } }, 0 }, { 5000, true, { { 0 } }, 0 } }, 2, true },
	{ "busy until the cap", { { 1, true, { BUSY(7) }, 1 }, { 5001, true, { BUSY(7) }, 1 } }, 2,
		true },
	{ "busy", { { 1, true, { BUSY(7) }, 1 }, { 900, true, { BUSY(7) }, 1 } }, 2, false },
	{ "not canonical", { { 3, false, { { 0 } }, 0 } }, 1, true },
	{ "a reader", { { 0, true, { READ(7) }, 1 } }, 1, true },
	{ "a reader behind a busy one", { { 0, true, { BUSY(6), READ(7) }, 2 } }, 1, true },
	{ "poll once", { { 50, true, { POLL(7, 1) }, 1 } }, 1, false },
	{ "poll stays", { { 50, true, { POLL(7, 1) }, 1 }, { 70, true, { POLL(7, 1) }, 1 } }, 2,
		true },
	{ "poll stays too shortly",
		{ { 50, true, { POLL(7, 1) }, 1 }, { 69, true, { POLL(7, 1) }, 1 } }, 2, false },
	{ "poll stays over many looks",
		{ { 50, true, { POLL(7, 1) }, 1 }, { 58, true, { POLL(7, 1) }, 1 },
			{ 66, true, { BUSY(6), POLL(7, 1) }, 2 }, { 70, true, { POLL(7, 1) }, 1 } },
		4, true },
	{ "another poll starts anew",
		{ { 50, true, { POLL(7, 1) }, 1 }, { 60, true, { POLL(7, 2) }, 1 },
			{ 79, true, { POLL(7, 2) }, 1 } },
		3, false },
	{ "another poll, then long enough",
		{ { 50, true, { POLL(7, 1) }, 1 }, { 60, true, { POLL(7, 2) }, 1 },
			{ 80, true, { POLL(7, 2) }, 1 } },
		3, true },
	{ "busy in between",
		{ { 50, true, { POLL(7, 1) }, 1 }, { 60, true, { BUSY(7) }, 1 },
			{ 75, true, { POLL(7, 1) }, 1 } },
		3, false },
	{ "two processes do not add up",
		{ { 50, true, { POLL(7, 1) }, 1 }, { 70, true, { POLL(8, 1) }, 1 } }, 2, false },
	{ "one of two stays",
		{ { 50, true, { POLL(8, 5), POLL(7, 1) }, 2 },
			{ 70, true, { POLL(7, 1), POLL(8, 6) }, 2 } },
		2, true },
};

Test(gate, decides)
{
	for (size_t i = 0; i < sizeof(histories) / sizeof(histories[0]); i++) {
		const struct history *h = &histories[i];
		struct lxe_gate *gate = NULL;

		cr_assert_eq(lxe_gate_new(&gate, 0), 0);
		for (size_t k = 0; k < h->n; k++) {
			const struct moment *m = &h->moments[k];
			struct lxe_gate_sample s = { .now_ms = m->ms,
				.canonical = m->cooked,
				.processes = m->p,
				.n_processes = m->n };

			cr_assert_eq(lxe_gate_feed(gate, &s), h->opens && k + 1 == h->n, "%s: %zu",
				h->name, k);
		}
		lxe_gate_free(gate);
	}
}

Test(gate, stays_open)
{
	struct lxe_gate *gate = NULL;
	struct lxe_gate_sample s = { .now_ms = 1, .canonical = false };

	cr_assert_eq(lxe_gate_new(&gate, 0), 0);
	cr_assert(lxe_gate_feed(gate, &s));
	s.canonical = true;
	cr_assert(lxe_gate_feed(gate, &s));
	cr_assert_eq(lxe_gate_next_ms(gate, 2), 0);
	lxe_gate_free(gate);
	lxe_gate_free(NULL);
}

Test(gate, looks_often_at_first_and_at_the_cap)
{
	static const uint64_t steps[] = { 1, 2, 4, 8, 16, 20, 20 };
	struct lxe_gate *gate = NULL;
	struct lxe_gate_sample s = { .now_ms = 1000, .canonical = true };

	cr_assert_eq(lxe_gate_new(&gate, 1000), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		cr_assert_eq(lxe_gate_next_ms(gate, s.now_ms), steps[i], "step %zu", i);
		s.now_ms += steps[i];
		cr_assert_not(lxe_gate_feed(gate, &s));
	}
	cr_assert_eq(lxe_gate_next_ms(gate, 1000 + 4990), 10);
	lxe_gate_free(gate);
}

/* The sample before the cap took its time: there has to be another one, or it would never open. */
Test(gate, looks_once_more_when_a_look_went_on_beyond_the_cap)
{
	struct lxe_gate *gate = NULL;
	struct lxe_gate_sample s = { .now_ms = 4999, .canonical = true };

	cr_assert_eq(lxe_gate_new(&gate, 0), 0);
	cr_assert_not(lxe_gate_feed(gate, &s));
	cr_assert_eq(lxe_gate_next_ms(gate, 5000), 1);
	cr_assert_eq(lxe_gate_next_ms(gate, 7000), 1);
	s.now_ms = 7001;
	cr_assert(lxe_gate_feed(gate, &s));
	cr_assert_eq(lxe_gate_next_ms(gate, 7001), 0);
	lxe_gate_free(gate);
}

Test(gate, looks_when_a_wait_has_lasted)
{
	struct lxe_gate *gate = NULL;
	const struct lxe_gate_process p = POLL(7, 1);
	struct lxe_gate_sample s = { .canonical = true, .processes = &p, .n_processes = 1 };

	cr_assert_eq(lxe_gate_new(&gate, 0), 0);
	for (s.now_ms = 100; s.now_ms < 116; s.now_ms += 4)
		cr_assert_not(lxe_gate_feed(gate, &s));
	cr_assert_eq(lxe_gate_next_ms(gate, 116), 4);
	lxe_gate_free(gate);
}
