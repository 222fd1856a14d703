#include "confine/rules.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/personality.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "confine/calls.h"

#define ERRNO(error) (SECCOMP_RET_ERRNO | (lxe_action)(error))
#define LOWER_HALF 0xffffffffULL /* what the kernel looks at of an int (CVE-2019-10063) */
#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
		CLONE_NEWPID | CLONE_NEWNET)

void lxe_rules_release(struct lxe_rules *profile)
{
	for (size_t i = 0; i < profile->n; i++)
		lxe_strv_release(&profile->rules[i].names);
	free(profile->rules);
	*profile = (struct lxe_rules){ 0 };
}

struct lxe_rule *lxe_rules_add(struct lxe_rules *profile, lxe_action action)
{
	struct lxe_rule *rules;

	/* Room is made in powers of two. */
	if (!(profile->n & (profile->n - 1))) {
		size_t room = profile->n ? 2 * profile->n : 1;

		rules = reallocarray(profile->rules, room, sizeof(*rules));
		if (!rules)
			return NULL;
		profile->rules = rules;
	}
	rules = &profile->rules[profile->n++];
	*rules = (struct lxe_rule){ .action = action };
	return rules;
}

static int add_names(struct lxe_rule *rule, const char *names)
{
	int r = 0;

	for (const char *at = names + 1; r == 0 && *at; at += strcspn(at, " ") + 1)
		r = lxe_strv_addn(&rule->names, at, strcspn(at, " "));
	return r;
}

static int add_group(struct lxe_rules *profile, const struct lxe_calls *g, unsigned int which,
	const struct lxe_rules_for *who)
{
	struct lxe_rule *rule;
	bool lifted = which == LXE_CALLS_DEFAULT && (g->lifted_by & who->capabilities);
	lxe_action action = g->where & which || lifted ? SECCOMP_RET_ALLOW : ERRNO(EPERM);

	/* Old and foreign: they do not exist, as everything that is not named. */
	if (!g->where)
		return 0;
	rule = lxe_rules_add(profile, action);
	return rule ? add_names(rule, g->names) : -ENOMEM;
}

struct refusal {
	const char *names;
	struct lxe_compare arg;
};

static int refuse(struct lxe_rules *profile, const struct refusal *refusals, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct lxe_rule *rule = lxe_rules_add(profile, ERRNO(EPERM));

		if (!rule)
			return -ENOMEM;
		rule->args[0] = refusals[i].arg;
		rule->n_args = 1;
		r = add_names(rule, refusals[i].names);
	}
	return r;
}

#define MASKED(name, where, mask, datum)                             \
	{                                                            \
		name, { where, LXE_COMPARE_MASKED_EQ, mask, datum }, \
	}

/* Each flag that makes a namespace, for itself: to compare is all that a rule can do. */
static int refuse_namespaces(struct lxe_rules *profile)
{
	int r = 0;

	for (unsigned int bit = 0; r == 0 && bit < 32; bit++) {
		uint64_t flag = 1ULL << bit;
		struct refusal refusal = MASKED(" clone ", 0, flag, flag);

		if (flag & NAMESPACES)
			r = refuse(profile, &refusal, 1);
	}
	return r;
}

static int refuse_arguments(struct lxe_rules *profile)
{
	static const struct refusal always[] = {
		/* Into the input of a terminal that somebody else reads. */
		MASKED(" ioctl ", 1, LOWER_HALF, TIOCSTI),
		MASKED(" ioctl ", 1, LOWER_HALF, TIOCLINUX),
		/* No network namespace separates it from the host's, and behind it is the hypervisor. */
		MASKED(" socket socketpair ", 0, LOWER_HALF, AF_VSOCK),
	};

	return refuse(profile, always, sizeof(always) / sizeof(always[0]));
}

static int permit(struct lxe_rules *profile, const char *names, uint64_t value)
{
	struct lxe_rule *rule = lxe_rules_add(profile, SECCOMP_RET_ALLOW);

	if (!rule)
		return -ENOMEM;
	rule->n_args = 1;
	rule->args[0] = (struct lxe_compare){ 0, LXE_COMPARE_MASKED_EQ, LOWER_HALF, value };
	return add_names(rule, names);
}

static int permit_arguments(struct lxe_rules *profile, unsigned int which)
{
	/* As the engines have it: Linux, 32 bits, an older version's name, and the question. */
	static const uint64_t personalities[] = { PER_LINUX, PER_LINUX32, UNAME26,
		UNAME26 | PER_LINUX32, LOWER_HALF };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(personalities) / sizeof(personalities[0]); i++)
		r = permit(profile, " personality ", personalities[i]);
	/* For computing alone: of the families of sockets only the one that stays on the machine. */
	if (r == 0 && which == LXE_CALLS_STRICT)
		r = permit(profile, " socket socketpair ", AF_UNIX);
	return r;
}

static int make(struct lxe_rules *profile, unsigned int which, const struct lxe_rules_for *who)
{
	bool namespaces = which == LXE_CALLS_DEFAULT && (who->capabilities & 1ULL << CAP_SYS_ADMIN);
	int r = 0;

	/* Its flags are in memory, where a filter cannot look: libc falls back to clone. */
	if (namespaces) {
		struct lxe_rule *rule = lxe_rules_add(profile, SECCOMP_RET_ALLOW);

		r = rule ? lxe_strv_add(&rule->names, "clone3") : -ENOMEM;
	} else {
		r = refuse_namespaces(profile);
	}
	if (r == 0)
		r = refuse_arguments(profile);
	if (r == 0)
		r = permit_arguments(profile, which);
	for (const struct lxe_calls *g = lxe_calls(); r == 0 && g->names; g++)
		r = add_group(profile, g, which, who);
	return r;
}

bool lxe_rules_is_builtin(const char *name)
{
	return strcmp(name, "default") == 0 || strcmp(name, "strict") == 0 ||
	       strcmp(name, "unconfined") == 0;
}

int lxe_rules_builtin(struct lxe_rules *ret, const char *name, const struct lxe_rules_for *who)
{
	struct lxe_rules profile = { .default_action = ERRNO(ENOSYS), .arches = LXE_ARCH_ALL };
	int r = 0;

	if (strcmp(name, "unconfined") == 0)
		profile.default_action = SECCOMP_RET_ALLOW;
	else if (strcmp(name, "default") == 0)
		r = make(&profile, LXE_CALLS_DEFAULT, who);
	else if (strcmp(name, "strict") == 0)
		r = make(&profile, LXE_CALLS_STRICT, who);
	else
		return -ENOENT;
	if (r < 0) {
		lxe_rules_release(&profile);
		return r;
	}
	*ret = profile;
	return 0;
}

static bool has(const struct lxe_strv *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], name) == 0)
			return true;
	return false;
}

/* A denial stays, but for what it denied outright and was used all the same: it was only logged. */
static bool stays(const struct lxe_rule *rule, const char *name, const struct lxe_strv *used)
{
	return lxe_action_permits(rule->action) ? has(used, name)
						: rule->n_args || !has(used, name);
}

static int tighten_rule(
	struct lxe_rules *ret, const struct lxe_rule *from, const struct lxe_strv *used)
{
	struct lxe_rule *rule = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->names.n; i++) {
		if (!stays(from, from->names.v[i], used))
			continue;
		if (!rule) {
			rule = lxe_rules_add(ret, from->action);
			if (!rule)
				return -ENOMEM;
			memcpy(rule->args, from->args, sizeof(rule->args));
			rule->n_args = from->n_args;
		}
		r = lxe_strv_add(&rule->names, from->names.v[i]);
	}
	return r;
}

static bool is_permitted(const struct lxe_rules *profile, const char *name)
{
	for (size_t i = 0; i < profile->n; i++)
		if (lxe_action_permits(profile->rules[i].action) &&
			has(&profile->rules[i].names, name))
			return true;
	return false;
}

int lxe_rules_tighten(
	struct lxe_rules *ret, const struct lxe_rules *base, const struct lxe_strv *used)
{
	struct lxe_rules profile = { .default_action = ERRNO(ENOSYS), .arches = base->arches };
	struct lxe_rule *rest = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < base->n; i++)
		r = tighten_rule(&profile, &base->rules[i], used);
	for (size_t i = 0; r == 0 && i < used->n; i++) {
		if (is_permitted(base, used->v[i]))
			continue;
		if (!rest)
			rest = lxe_rules_add(&profile, SECCOMP_RET_ALLOW);
		r = rest ? lxe_strv_add(&rest->names, used->v[i]) : -ENOMEM;
	}
	if (r < 0) {
		lxe_rules_release(&profile);
		return r;
	}
	*ret = profile;
	return 0;
}

const char *lxe_arch_name(unsigned int arch)
{
	static const char *const names[] = {
#if defined(__x86_64__)
		[LXE_ARCH_NATIVE] = "SCMP_ARCH_X86_64",
		[LXE_ARCH_32] = "SCMP_ARCH_X86",
		[LXE_ARCH_X32] = "SCMP_ARCH_X32",
#elif defined(__aarch64__)
		[LXE_ARCH_NATIVE] = "SCMP_ARCH_AARCH64",
		[LXE_ARCH_32] = "SCMP_ARCH_ARM",
#else
		[LXE_ARCH_NATIVE] = "SCMP_ARCH_NATIVE",
#endif
	};

	return arch < sizeof(names) / sizeof(names[0]) ? names[arch] : NULL;
}
