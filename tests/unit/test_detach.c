/*
 * The detach keys: how they are written, and the recogniser against a model that sees all at once.
 */
#include "terminal/detach.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "random.h"

Test(detach, parses)
{
	static const struct {
		const char *text, *keys;
		uint8_t n;
	} cases[] = {
		{ "ctrl-]", "\035", 1 },
		{ "ctrl-a", "\001", 1 },
		{ "ctrl-z", "\032", 1 },
		{ "ctrl-@", "\0", 1 },
		{ "ctrl-[", "\033", 1 },
		{ "ctrl-\\", "\034", 1 },
		{ "ctrl-^", "\036", 1 },
		{ "ctrl-_", "\037", 1 },
		{ "ctrl-p,ctrl-q", "\020\021", 2 },
		{ "ctrl-a,d,Q,9", "\001dQ9", 4 },
		{ "none", "", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lxe_detach_keys keys = { .n = 99 };

		cr_assert_eq(lxe_detach_parse(&keys, cases[i].text, NULL), 0, "%s", cases[i].text);
		cr_assert_eq(keys.n, cases[i].n, "%s", cases[i].text);
		cr_assert_arr_eq(keys.key, cases[i].keys, keys.n, "%s", cases[i].text);
	}
}

Test(detach, refuses)
{
	static const char *const bad[] = { "", "ctrl-", "ctrl-A", "ctrl-1", "ctrl-ab", "Ctrl-a",
		"^]", "a", ",", "ctrl-a,", ",ctrl-a", "ctrl-a,,b", "ctrl-a, b", " ctrl-a", "None",
		"none,ctrl-a", "ctrl-a,ctrl-b,ctrl-c,ctrl-d,ctrl-e,ctrl-f,ctrl-g,ctrl-h,ctrl-i",
		"ctrl-\xc3\xa9" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lxe_detach_keys keys = { .n = 99 };
		struct lxe_err err = { 0 };

		cr_assert_eq(lxe_detach_parse(&keys, bad[i], &err), -EINVAL, "'%s'", bad[i]);
		cr_assert_eq(keys.n, 99, "'%s': untouched", bad[i]);
		cr_assert(strstr(err.msg, "is no detach key"), "'%s': %s", bad[i], err.msg);
		cr_assert_neq(err.hint[0], '\0');
	}
}

Test(detach, holds_back_across_reads)
{
	struct lxe_detach d = { 0 };
	struct lxe_detach_step s;

	cr_assert_eq(lxe_detach_parse(&d.keys, "ctrl-p,ctrl-q", NULL), 0);
	s = lxe_detach_feed(&d, "ab\020", 3);
	cr_assert(s.release == 0 && s.pass == 2 && s.used == 3 && !s.detached);
	s = lxe_detach_feed(&d, "c", 1);
	cr_assert(s.release == 1 && s.pass == 1 && !s.detached);
	s = lxe_detach_feed(&d, "\020\020", 2);
	cr_assert(s.release == 0 && s.pass == 1 && !s.detached);
	s = lxe_detach_feed(&d, "\021rest", 5);
	cr_assert(s.release == 0 && s.pass == 0 && s.used == 1 && s.detached);
	lxe_detach_feed(&d, "\020", 1);
	cr_assert_eq(lxe_detach_end(&d), 1);
	cr_assert_eq(lxe_detach_end(&d), 0);
}

/* Where the keys end first in the whole input, or n + 1. */
static size_t model(const struct lxe_detach_keys *keys, const char *bytes, size_t n)
{
	for (size_t i = keys->n; keys->n && i <= n; i++)
		if (memcmp(bytes + i - keys->n, keys->key, keys->n) == 0)
			return i;
	return n + 1;
}

static void one_round(uint64_t seed)
{
	uint64_t state = seed;
	struct lxe_detach d = { .keys.n = (uint8_t)rnd_below(&state, LXE_DETACH_MAX + 1) };
	char input[64], output[80];
	size_t n = rnd_below(&state, sizeof(input)), got = 0, used = 0, end, expected;
	bool detached = false;

	for (size_t i = 0; i < LXE_DETACH_MAX; i++)
		d.keys.key[i] = (uint8_t)('a' + rnd_below(&state, 2));
	for (size_t i = 0; i < n; i++)
		input[i] = (char)('a' + rnd_below(&state, 2));
	while (used < n && !detached) {
		size_t step = 1 + rnd_below(&state, n - used);
		struct lxe_detach_step s = lxe_detach_feed(&d, input + used, step);

		memcpy(output + got, d.keys.key, s.release);
		got += s.release;
		memcpy(output + got, input + used, s.pass);
		got += s.pass;
		used += s.used;
		detached = s.detached;
		cr_assert(detached || s.used == step, "seed %" PRIu64, seed);
	}
	end = model(&d.keys, input, n);
	cr_assert_eq(detached, end <= n, "seed %" PRIu64, seed);
	if (detached)
		cr_assert_eq(used, end, "seed %" PRIu64, seed);
	size_t held = lxe_detach_end(&d);
	memcpy(output + got, d.keys.key, held);
	got += held;
	expected = detached ? end - d.keys.n : n;
	cr_assert_eq(got, expected, "seed %" PRIu64, seed);
	cr_assert_arr_eq(output, input, got, "seed %" PRIu64, seed);
}

Test(detach, as_the_model_says)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 50000; k++)
			one_round(rnd(&list[i]));
}
