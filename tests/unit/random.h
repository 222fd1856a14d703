/*
 * Reproducible randomness for tests against a model: two fixed seeds and one of the day. A failing
 * assertion prints the seed; LXE_TEST_SEED=N runs that one alone.
 */
#ifndef LXE_TESTS_RANDOM_H
#define LXE_TESTS_RANDOM_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/* splitmix64 */
static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline size_t rnd_below(uint64_t *state, size_t n)
{
	return (size_t)(rnd(state) % n);
}

#define SEEDS 3

static inline size_t seeds(uint64_t list[SEEDS])
{
	const char *chosen = getenv("LXE_TEST_SEED");

	if (chosen) {
		list[0] = strtoull(chosen, NULL, 10);
		return 1;
	}
	list[0] = 1;
	list[1] = 20260719;
	if (getrandom(&list[2], sizeof(list[2]), 0) != (ssize_t)sizeof(list[2]))
		return 2;
	list[2] %= 1000000007;
	return 3;
}

#endif
