/*
 * "Did you mean": the word that is the fewest edits away from what somebody typed. Pure.
 */
#ifndef LXE_POLICY_NEAREST_H
#define LXE_POLICY_NEAREST_H

#include <stddef.h>

struct lxe_nearest {
	const char *best; /* NULL while nothing comes close */
	size_t distance;
};

/* Offer one candidate for the `len` bytes at `word`; the nearest of all offers is kept. */
void lxe_nearest_offer(struct lxe_nearest *n, const char *word, size_t len, const char *candidate);

#endif
