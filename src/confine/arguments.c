/* Rules that look at arguments. See program.h. */
#include <linux/seccomp.h>
#include <string.h>

#include "confine/program.h"

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define JUMP(op, k, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, k, yes, no)
#define CHECK_MAX 8 /* instructions of one comparison */

/* A jump to the next rule, whose distance is not known yet: no instruction jumps so far by itself. */
#define FAIL 0xff

/* Arguments have 64 bits, the accumulator 32: the upper half decides unless it is equal. */
static size_t put_check(struct sock_filter *v, const struct lxe_compare *c)
{
	const uint32_t low = (uint32_t)c->value, high = (uint32_t)(c->value >> 32);
	const uint32_t low_two = (uint32_t)c->value_two, high_two = (uint32_t)(c->value_two >> 32);
	const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	const uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * c->index);
	const uint32_t at_low = at + (big ? 4 : 0), at_high = at + (big ? 0 : 4);
	size_t n = 0;

#define PUT(...) v[n++] = (struct sock_filter)__VA_ARGS__
	switch (c->op) {
	case LXE_COMPARE_MASKED_EQ:
		if (high || high_two) {
			PUT(LOAD(at_high));
			PUT(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, high));
			PUT(JUMP(BPF_JEQ, high_two, 0, FAIL));
		}
		PUT(LOAD(at_low));
		PUT(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, low));
		PUT(JUMP(BPF_JEQ, low_two, 0, FAIL));
		break;
	case LXE_COMPARE_EQ:
		PUT(LOAD(at_high));
		PUT(JUMP(BPF_JEQ, high, 0, FAIL));
		PUT(LOAD(at_low));
		PUT(JUMP(BPF_JEQ, low, 0, FAIL));
		break;
	case LXE_COMPARE_NE:
		PUT(LOAD(at_high));
		PUT(JUMP(BPF_JEQ, high, 0, 2));
		PUT(LOAD(at_low));
		PUT(JUMP(BPF_JEQ, low, FAIL, 0));
		break;
	case LXE_COMPARE_GT:
	case LXE_COMPARE_GE:
		PUT(LOAD(at_high));
		PUT(JUMP(BPF_JGT, high, 3, 0));
		PUT(JUMP(BPF_JEQ, high, 0, FAIL));
		PUT(LOAD(at_low));
		PUT(JUMP(c->op == LXE_COMPARE_GT ? BPF_JGT : BPF_JGE, low, 0, FAIL));
		break;
	case LXE_COMPARE_LT:
	case LXE_COMPARE_LE:
		PUT(LOAD(at_high));
		PUT(JUMP(BPF_JGT, high, FAIL, 0));
		PUT(JUMP(BPF_JEQ, high, 0, 2));
		PUT(LOAD(at_low));
		PUT(JUMP(c->op == LXE_COMPARE_LE ? BPF_JGT : BPF_JGE, low, FAIL, 0));
		break;
	}
#undef PUT
	return n;
}

static int put_rule(struct lxe_program *p, const struct lxe_rule *rule)
{
	struct sock_filter v[LXE_CALL_ARGS * CHECK_MAX + 1];
	size_t n = 0;

	for (size_t i = 0; i < rule->n_args; i++)
		n += put_check(v + n, &rule->args[i]);
	v[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rule->action);
	/* The next rule begins behind the answer. */
	for (size_t i = 0; i < n; i++) {
		if (v[i].jt == FAIL)
			v[i].jt = (unsigned char)(n - i - 1);
		if (v[i].jf == FAIL)
			v[i].jf = (unsigned char)(n - i - 1);
	}
	return lxe_program_put(p, v, n);
}

static bool is_about(const struct lxe_rule *rule, const char *name)
{
	for (size_t i = 0; rule->n_args && i < rule->names.n; i++)
		if (strcmp(rule->names.v[i], name) == 0)
			return true;
	return false;
}

static int put_rules(
	struct lxe_program *p, const struct lxe_rules *rules, const char *name, bool permits)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rules->n; i++)
		if (is_about(&rules->rules[i], name) &&
			lxe_action_permits(rules->rules[i].action) == permits)
			r = put_rule(p, &rules->rules[i]);
	return r;
}

int lxe_program_put_arguments(
	struct lxe_program *p, const struct lxe_rules *rules, const char *name, uint32_t number)
{
	const struct sock_filter begin[] = {
		JUMP(BPF_JEQ, number, 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, 0),
	};
	const struct sock_filter end = LOAD(offsetof(struct seccomp_data, nr));
	size_t at = p->n;
	bool any = false;
	int r;

	for (size_t i = 0; i < rules->n; i++)
		any |= is_about(&rules->rules[i], name);
	if (!any)
		return 0;
	r = lxe_program_put(p, begin, 2);
	if (r == 0)
		r = put_rules(p, rules, name, false);
	if (r == 0)
		r = put_rules(p, rules, name, true);
	if (r == 0)
		r = lxe_program_put(p, &end, 1);
	if (r == 0)
		p->v[at + 1].k = (uint32_t)(p->n - at - 2);
	return r;
}
