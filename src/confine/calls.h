/*
 * The system calls we know, by group, and what the built-in profiles make of each group. Constant
 * data: docs/SECURITY.md tells the reasons, the filter is compiled from these lists and nothing else.
 */
#ifndef LXE_CONFINE_CALLS_H
#define LXE_CONFINE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the calls of a group stand. */
#define LXE_CALLS_DEFAULT 1u /* allowed by `default` */
#define LXE_CALLS_STRICT 2u  /* allowed by `strict` */
#define LXE_CALLS_REFUSED \
	4u /* EPERM, where they are not allowed; the rest does not exist (ENOSYS) */

struct lxe_calls {
	unsigned int where;
	uint64_t
		lifted_by; /* whoever has one of these capabilities may use them (`default` only) */
	const char *names; /* separated by blanks, one before the first and one behind the last */
};

/* The groups; the list ends with one whose names are NULL. */
const struct lxe_calls *lxe_calls(void);

/* Is it the name of a call, of any architecture? */
bool lxe_call_is_known(const char *name);

/*
 * The name of a call that is newer than what libseccomp 2.5 knows; those have the same number on all
 * architectures that we run on. NULL: none of them.
 */
const char *lxe_call_newer_name(int number);

#endif
