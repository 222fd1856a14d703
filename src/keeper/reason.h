/*
 * Which rule of a sandbox stands behind a file that cannot be changed or reached, or a call that is refused,
 * and the option that would allow it.
 */
#ifndef LXE_KEEPER_REASON_H
#define LXE_KEEPER_REASON_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

struct lxe_keeper;

struct lxe_reason {
	char rule[LXE_ERR_HINT_MAX], hint[LXE_ERR_HINT_MAX];
	const char *option; /* empty: there is none */
};

/* Is it what lies over a denied path? */
bool lxe_reason_is_cover(const struct lxe_keeper *k, const struct stat *st);

/*
 * Of the file or directory `at` (O_PATH), in the tree `root`: false when it has a name that tells nothing.
 */
bool lxe_reason_of(struct lxe_reason *ret, const struct lxe_keeper *k, int root, int at);

/* Of a call that the sandbox's profile refuses. */
void lxe_reason_of_profile(struct lxe_reason *ret, const struct lxe_keeper *k, const char *call);

#endif
