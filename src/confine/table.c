/* What a filter says of a call by its number. See program.h. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "confine/calls.h"
#include "confine/program.h"

#define NUMBERS 1024 /* more than there are: 548 in Linux 6.18 */
#define X32_BIT 0x40000000U
#define NO_SUCH_CALL (SECCOMP_RET_ERRNO | ENOSYS)

int lxe_program_put(struct lxe_program *p, const struct sock_filter *v, size_t n)
{
	if (n > BPF_MAXINSNS - p->n)
		return -E2BIG;
	memcpy(p->v + p->n, v, n * sizeof(*v));
	p->n += n;
	return 0;
}

/* libseccomp's names of the architectures; 0: there is none. */
static uint32_t token_of(enum lxe_arch arch)
{
	static const uint32_t others[LXE_ARCHES] = {
#if defined(__x86_64__)
		[LXE_ARCH_32] = SCMP_ARCH_X86,
		[LXE_ARCH_X32] = SCMP_ARCH_X32,
#elif defined(__aarch64__)
		[LXE_ARCH_32] = SCMP_ARCH_ARM,
#endif
	};

	return arch == LXE_ARCH_NATIVE ? seccomp_arch_native() : others[arch];
}

/* A name and what becomes of it, for looking up. */
struct entry {
	const char *name;
	lxe_action action;
};

struct entries {
	struct entry *v;
	size_t n;
};

/* Denials stand before permissions of the same name, otherwise the order is that of the rules. */
static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = lxe_action_permits(x->action) - lxe_action_permits(y->action);
	return r ? r : (x > y) - (x < y);
}

static int collect(struct entries *ret, const struct lxe_rules *rules)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->n; i++)
		n += rules->rules[i].n_args ? 0 : rules->rules[i].names.n;
	ret->v = calloc(n + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n; i++)
		for (size_t k = 0; !rules->rules[i].n_args && k < rules->rules[i].names.n; k++)
			ret->v[ret->n++] = (struct entry){
				.name = rules->rules[i].names.v[k],
				.action = rules->rules[i].action,
			};
	qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
	return 0;
}

static lxe_action look_up(const struct entries *entries, const char *name, lxe_action none)
{
	size_t low = 0, high = entries->n;

	/* The first that is not before the name. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(entries->v[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < entries->n && strcmp(entries->v[low].name, name) == 0 ? entries->v[low].action
									   : none;
}

/* A run of numbers with one answer, from `first` to the next one's. */
struct range {
	uint32_t first;
	lxe_action action;
};

struct ranges {
	struct range v[NUMBERS + 1];
	size_t n;
};

static void add_number(struct ranges *ranges, uint32_t number, lxe_action action)
{
	if (ranges->n && ranges->v[ranges->n - 1].action == action)
		return;
	ranges->v[ranges->n++] = (struct range){ .first = number, .action = action };
}

/* The names of an architecture's calls by number, freed by release_names(). */
struct names {
	uint32_t bit; /* of each number */
	char *v[NUMBERS];
};

static int resolve_names(struct names *ret, enum lxe_arch arch)
{
	ret->bit = arch == LXE_ARCH_X32 ? X32_BIT : 0;
	for (uint32_t n = 0; n < NUMBERS; n++) {
		const char *newer = lxe_call_newer_name((int)n);

		ret->v[n] = seccomp_syscall_resolve_num_arch(token_of(arch), (int)(n | ret->bit));
		if (!ret->v[n] && newer) {
			ret->v[n] = strdup(newer);
			if (!ret->v[n])
				return -ENOMEM;
		}
	}
	return 0;
}

static void release_names(struct names *names)
{
	for (uint32_t n = 0; n < NUMBERS; n++)
		free(names->v[n]);
	*names = (struct names){ 0 };
}

static void make_ranges(struct ranges *ret, const struct entries *entries,
	const struct names *names, lxe_action none)
{
	ret->n = 0;
	for (uint32_t n = 0; n < NUMBERS; n++)
		add_number(ret, n | names->bit,
			names->v[n] ? look_up(entries, names->v[n], none) : none);
	add_number(ret, NUMBERS | names->bit, none);
}

/*
 * Jump to `to` if the accumulator is `first` or more, over the `len` instructions that follow at `at`.
 * A conditional jump reaches 255 instructions; beyond, it takes one that is not.
 */
static int put_branch(struct lxe_program *p, size_t at, uint32_t first)
{
	size_t len = p->n - at - 1;
	const struct sock_filter jump = BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)len);

	if (len <= UINT8_MAX) {
		p->v[at] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JGE | BPF_K, first, (uint8_t)len, 0);
		return 0;
	}
	if (p->n == BPF_MAXINSNS)
		return -E2BIG;
	memmove(&p->v[at + 2], &p->v[at + 1], len * sizeof(*p->v));
	p->n++;
	p->v[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 1);
	p->v[at + 1] = jump;
	return 0;
}

/* The search: as deep as the number of ranges has binary digits. */
static int put_search(struct lxe_program *p, const struct range *v, size_t n)
{
	const struct sock_filter answer = BPF_STMT(BPF_RET | BPF_K, v[0].action);
	size_t half = n / 2, at = p->n;
	int r;

	if (n == 1)
		return lxe_program_put(p, &answer, 1);
	r = lxe_program_put(p, &answer, 1); /* the place of the branch */
	if (r == 0)
		r = put_search(p, v, half);
	if (r == 0)
		r = put_branch(p, at, v[half].first);
	return r < 0 ? r : put_search(p, v + half, n - half);
}

/* Everything of one architecture, with the number of the call in the accumulator. */
static int put_numbers(struct lxe_program *p, const struct lxe_rules *rules,
	const struct entries *entries, enum lxe_arch arch)
{
	struct ranges *ranges = calloc(1, sizeof(*ranges));
	struct names *names = calloc(1, sizeof(*names));
	int r = ranges && names ? resolve_names(names, arch) : -ENOMEM;

	for (uint32_t n = 0; r == 0 && n < NUMBERS; n++)
		if (names->v[n])
			r = lxe_program_put_arguments(p, rules, names->v[n], n | names->bit);
	if (r == 0) {
		make_ranges(ranges, entries, names, rules->default_action);
		r = put_search(p, ranges->v, ranges->n);
	}
	if (names)
		release_names(names);
	free(names);
	free(ranges);
	return r;
}

/* x32 is told as x86_64, by a bit of the number. */
static int put_x32(struct lxe_program *p, const struct lxe_rules *rules,
	const struct entries *entries, size_t at)
{
	const struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, NO_SUCH_CALL);
	int r = put_branch(p, at, X32_BIT);

	if (r < 0)
		return r;
	return rules->arches & 1U << LXE_ARCH_X32 ? put_numbers(p, rules, entries, LXE_ARCH_X32)
						  : lxe_program_put(p, &none, 1);
}

static int put_arch(struct lxe_program *p, const struct lxe_rules *rules,
	const struct entries *entries, enum lxe_arch arch)
{
	const bool has_x32 = token_of(arch) == AUDIT_ARCH_X86_64;
	const struct sock_filter head[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, token_of(arch), 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, 0), /* to the next architecture */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_STMT(BPF_RET | BPF_K, 0), /* the place of the branch to x32 */
	};
	size_t at = p->n;
	int r = lxe_program_put(p, head, has_x32 ? 4 : 3);

	if (r == 0)
		r = put_numbers(p, rules, entries, arch);
	if (r == 0 && has_x32)
		r = put_x32(p, rules, entries, at + 3);
	if (r == 0)
		p->v[at + 1].k = (uint32_t)(p->n - at - 2);
	return r;
}

int lxe_program_put_calls(struct lxe_program *p, const struct lxe_rules *rules)
{
	const struct sock_filter load =
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	const struct sock_filter unknown = BPF_STMT(BPF_RET | BPF_K, NO_SUCH_CALL);
	struct entries entries = { 0 };
	int r = collect(&entries, rules);

	if (r == 0)
		r = lxe_program_put(p, &load, 1);
	for (enum lxe_arch arch = LXE_ARCH_NATIVE; r == 0 && arch <= LXE_ARCH_32; arch++)
		if (token_of(arch) && rules->arches & 1U << arch)
			r = put_arch(p, rules, &entries, arch);
	if (r == 0)
		r = lxe_program_put(p, &unknown, 1);
	free(entries.v);
	return r;
}
