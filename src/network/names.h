/*
 * The rules that are names, and what follows for one name from all of them. Pure. It owns the rules.
 *
 * NAME is the name alone and *.NAME what is below it alone, when they allow. What they deny is both, because
 * an answer for one cannot be kept out of the other's set everywhere (docs/adr/0012).
 */
#ifndef LXE_NETWORK_NAMES_H
#define LXE_NETWORK_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/net.h"

struct lxe_name_rule {
	const struct lxe_net_rule *rule;
	bool deny;
	size_t index; /* among the allowed, or the denied */
	size_t set;   /* the index of the rule whose set it has */
};

struct lxe_names {
	struct lxe_net_rule *allowed, *denied; /* all of them, also those that are no names */
	size_t n_allowed, n_denied;
	struct lxe_name_rule *rules; /* ascending by name */
	size_t n;
};

int lxe_names_init(struct lxe_names *ret, const struct lxe_net_spec *spec); /* or -ENOMEM */
void lxe_names_release(struct lxe_names *n);

/* Is the i-th rule the first of its name? */
bool lxe_names_is_first(const struct lxe_names *n, size_t i);

/* Every rule of a name, and then of the names above it: begin with { .name = NAME }. NULL at the end. */
struct lxe_name_walk {
	const char *name;
	bool above; /* it is of a name above */
	size_t next, end;
};
const struct lxe_name_rule *lxe_names_next(const struct lxe_names *n, struct lxe_name_walk *w);

/* Who is asked about: the name alone, those below it alone, or one of them, whichever. */
enum lxe_name_part { LXE_NAME_SELF, LXE_NAME_BELOW, LXE_NAME_EITHER };

/* Does the rule that a walk from the name has come to count for that part of it? */
bool lxe_name_counts(
	const struct lxe_name_rule *rule, const struct lxe_name_walk *w, enum lxe_name_part part);

/* Is it allowed by any rule? */
bool lxe_names_allow(const struct lxe_names *n, const char *name, enum lxe_name_part part);

/* Do the same ports follow for a name as for those below it, wherever both are allowed, for all names? */
bool lxe_names_are_plain(const struct lxe_names *n);

#endif
