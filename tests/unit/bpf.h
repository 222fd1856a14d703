/*
 * The kernel's classic BPF as far as seccomp filters use it, so that a filter can be asked what it says
 * of any call on any architecture without being installed.
 */
#ifndef LXE_TESTS_BPF_H
#define LXE_TESTS_BPF_H

#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool bpf_jumps(uint16_t code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return a & k;
	}
	cr_assert_fail("jump %x", code);
	return false;
}

static inline uint32_t bpf_run(
	const struct sock_filter *v, size_t n, const struct seccomp_data *data)
{
	uint32_t a = 0;
	size_t pc = 0;

	/* Jumps lead forward only: it ends. */
	while (pc < n) {
		const struct sock_filter *i = &v[pc++];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			cr_assert_leq(i->k, sizeof(*data) - 4);
			memcpy(&a, (const char *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		default:
			cr_assert_eq(BPF_CLASS(i->code), BPF_JMP, "instruction %x", i->code);
			cr_assert_eq(BPF_SRC(i->code), BPF_K);
			pc += bpf_jumps(i->code, a, i->k) ? i->jt : i->jf;
		}
	}
	cr_assert_fail("the filter has an end without an answer");
	return 0;
}

#endif
