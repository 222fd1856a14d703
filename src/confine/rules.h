/*
 * What system calls a command may make: a default action, and rules by the calls' names. A built-in
 * profile is made from calls.c; others are read from the container engines' JSON format, and written in
 * it. Of two rules for one call the denial wins, whatever their order. Pure; nothing here needs
 * libseccomp, so that the client can check a profile before anything is started.
 */
#ifndef LXE_CONFINE_RULES_H
#define LXE_CONFINE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define LXE_RULES_TEXT_MAX (1024 * 1024) /* bytes of JSON; the engines' own has 13,000 */
#define LXE_CALL_ARGS 6

/* As in a filter: SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | errno … (linux/seccomp.h). */
typedef uint32_t lxe_action;

enum lxe_compare_op {
	LXE_COMPARE_NE = 1, /* numbered as libseccomp's enum scmp_compare */
	LXE_COMPARE_LT,
	LXE_COMPARE_LE,
	LXE_COMPARE_EQ,
	LXE_COMPARE_GE,
	LXE_COMPARE_GT,
	LXE_COMPARE_MASKED_EQ, /* (argument & value) == value_two */
};

struct lxe_compare {
	unsigned int index;
	enum lxe_compare_op op;
	uint64_t value, value_two;
};

struct lxe_rule {
	struct lxe_strv names;
	lxe_action action;
	struct lxe_compare args[LXE_CALL_ARGS]; /* all of them hold; of one index there is one */
	size_t n_args;
};

enum lxe_arch { LXE_ARCH_NATIVE, LXE_ARCH_32, LXE_ARCH_X32 };

/* As profiles spell it; NULL behind the last that this machine has. */
const char *lxe_arch_name(unsigned int arch);

#define LXE_ARCHES 3
#define LXE_ARCH_ALL 7u

struct lxe_rules {
	lxe_action default_action;
	unsigned int arches; /* set of 1 << enum lxe_arch; calls of the others do not exist */
	struct lxe_rule *rules;
	size_t n;
};

/* For whom conditions (`includes`, `excludes`) are decided. */
struct lxe_rules_for {
	uint64_t capabilities;
	unsigned int kernel; /* version << 16 | patch level */
};

void lxe_rules_release(struct lxe_rules *profile);

/* Does the action let the call happen? Actions are ordered with a sign: KILL_PROCESS is the least. */
static inline bool lxe_action_permits(lxe_action action)
{
	return (int32_t)action >= 0x7ffc0000; /* SECCOMP_RET_LOG, and above it SECCOMP_RET_ALLOW */
}

/* One more rule at the end, all zero but the action; NULL: no memory. */
struct lxe_rule *lxe_rules_add(struct lxe_rules *profile, lxe_action action);

/* Of the names "default", "strict" and "unconfined". -ENOENT: another. */
int lxe_rules_builtin(struct lxe_rules *ret, const char *name, const struct lxe_rules_for *who);
bool lxe_rules_is_builtin(const char *name);

/*
 * Parse JSON; `name` stands before every message: NAME:LINE:COLUMN, or NAME: and the place as in
 * syscalls[3].action. Rules whose conditions do not hold are left out. -EINVAL.
 */
int lxe_rules_from_json(struct lxe_rules *ret, const char *name, const char *text, size_t len,
	const struct lxe_rules_for *who, struct lxe_err *err);

/* The profile as JSON, allocated, with a newline at the end; NULL: no memory. */
char *lxe_rules_to_json(const struct lxe_rules *rules);

/*
 * Only what was used: of `base`, all denials, and what it permits of the calls that are in `used`; a
 * call that it would not have permitted (it was logged) is permitted. The rest does not exist.
 */
int lxe_rules_tighten(
	struct lxe_rules *ret, const struct lxe_rules *base, const struct lxe_strv *used);

#endif
