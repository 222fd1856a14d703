/*
 * A filter in the making: instructions are only ever added at its end. The parts of one that looks at
 * arguments and of one that looks at numbers; see compile.h for how they stand together.
 */
#ifndef LXE_CONFINE_PROGRAM_H
#define LXE_CONFINE_PROGRAM_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "confine/rules.h"

struct lxe_program {
	struct sock_filter v[BPF_MAXINSNS];
	size_t n;
};

/* -E2BIG when it is more than the kernel takes. */
int lxe_program_put(struct lxe_program *p, const struct sock_filter *v, size_t n);

/*
 * arguments.c: for the call with this number, the rules that look at its arguments, denials first;
 * whatever none of them matches goes on behind, with the number in the accumulator as before.
 */
int lxe_program_put_arguments(
	struct lxe_program *p, const struct lxe_rules *rules, const char *name, uint32_t number);

/*
 * table.c: for each architecture, what looks at arguments, and then by number alone all other rules and
 * the default: a binary search in ranges of numbers with one answer. Of two rules for one call the
 * denial counts.
 */
int lxe_program_put_calls(struct lxe_program *p, const struct lxe_rules *rules);

#endif
