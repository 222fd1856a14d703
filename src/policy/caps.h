/*
 * Capabilities as users spell them: names of capabilities(7), with or without CAP_, in either case,
 * and ALL; and what becomes of the default set by --cap-add and --cap-drop. A set is a mask of bits
 * as in /proc/PID/status.
 */
#ifndef LXE_POLICY_CAPS_H
#define LXE_POLICY_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* What container engines leave to root inside when nothing is asked for. */
uint64_t lxe_caps_default(void);

/*
 * What one source (a profile, the command line) asks for, beginning with what those before it have
 * left. Within it the order does not matter; what it both adds and drops is an error.
 */
struct lxe_caps_wish {
	uint64_t base, add, drop;
	bool add_all, drop_all;
};

/* Note a list of names with commas or blanks between them, to be added or dropped. */
int lxe_caps_wish(struct lxe_caps_wish *w, bool add, const char *list, struct lxe_err *err);

/* What it comes to, as the engines have it: ALL with exceptions, or the base with changes. */
uint64_t lxe_caps_result(const struct lxe_caps_wish *w);

/* "CAP_CHOWN"; NULL for a bit that has no name. */
const char *lxe_cap_name(unsigned int bit);

#endif
