#include "confine/compile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "confine/calls.h"
#include "confine/program.h"

#define X32_BIT 0x40000000U

static bool is_return(const struct sock_filter *i)
{
	return i->code == (BPF_RET | BPF_K);
}

static bool looks_at_arguments_of(const struct lxe_rules *rules, const char *names)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct lxe_rule *rule = &rules->rules[i];

		for (size_t n = 0; rule->n_args && n < rule->names.n; n++) {
			const char *at = strstr(names, rule->names.v[n]);

			if (at && at[-1] == ' ' && at[strlen(rule->names.v[n])] == ' ')
				return true;
		}
	}
	return false;
}

/*
 * The 32-bit calls that stand for many others have the arguments in memory, where a filter cannot
 * look: who wants to look at them does without such a call. libc knows the direct ones as well.
 */
static int put_multiplexed(struct lxe_program *p, const struct lxe_rules *rules)
{
#if defined(__x86_64__)
	static const struct {
		uint32_t number;
		const char *calls;
	} table[] = {
		{ 102, " accept accept4 bind connect getpeername getsockname getsockopt listen recv"
		       " recvfrom recvmmsg recvmsg send sendmmsg sendmsg sendto setsockopt shutdown"
		       " socket socketpair " },
		{ 117, " msgctl msgget msgrcv msgsnd semctl semget semop semtimedop shmat shmctl"
		       " shmdt shmget " },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(table) / sizeof(table[0]); i++) {
		const struct sock_filter v[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 3),
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, table[i].number, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		};

		if (looks_at_arguments_of(rules, table[i].calls))
			r = lxe_program_put(p, v, sizeof(v) / sizeof(v[0]));
	}
	return r;
#else
	(void)p;
	(void)rules;
	return 0;
#endif
}

static int take(struct lxe_filter *ret, const struct lxe_program *p)
{
	struct sock_filter *copy = calloc(p->n, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p->v, p->n * sizeof(*copy));
	free(ret->instructions);
	ret->instructions = copy;
	ret->n = (unsigned short)p->n;
	return 0;
}

int lxe_compile(struct lxe_filter *ret, const struct lxe_rules *rules, struct lxe_err *err)
{
	LXE_AUTOFREE struct lxe_program *p = calloc(1, sizeof(*p));
	struct lxe_filter filter = { 0 };
	int r = p ? put_multiplexed(p, rules) : -ENOMEM;

	if (r == 0)
		r = lxe_program_put_calls(p, rules);
	if (r == 0)
		r = take(&filter, p);
	if (r == -E2BIG)
		return lxe_fail_msg(err, r,
			"compile the system call filter: it has more than the %d instructions that the "
			"kernel takes",
			BPF_MAXINSNS);
	if (r < 0)
		return lxe_fail(err, r, "compile the system call filter");
	*ret = filter;
	return 0;
}

void lxe_compile_log(struct lxe_filter *filter)
{
	for (size_t i = 0; i < filter->n; i++)
		if (is_return(&filter->instructions[i]) &&
			!lxe_action_permits(filter->instructions[i].k))
			filter->instructions[i].k = SECCOMP_RET_LOG;
}

const char *const *lxe_compile_always(void)
{
	static const char *const names[] = { "execve", "exit_group", "read", "sendmsg", "write",
		NULL };

	return names;
}

int lxe_compile_learn(struct lxe_filter *filter)
{
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp_arch_native(), 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	LXE_AUTOFREE struct lxe_program *p = calloc(1, sizeof(*p));
	int r = p ? lxe_program_put(p, head, sizeof(head) / sizeof(head[0])) : -ENOMEM;

	for (size_t i = 0; i < filter->n; i++)
		if (is_return(&filter->instructions[i]) &&
			lxe_action_permits(filter->instructions[i].k))
			filter->instructions[i].k = SECCOMP_RET_USER_NOTIF;
	if (r == 0)
		r = lxe_program_put(p, filter->instructions, filter->n);
	return r < 0 ? r : take(filter, p);
}

char *lxe_compile_name(uint32_t arch, int number)
{
	const char *newer;
	char *name;

#if defined(__x86_64__)
	if (arch == SCMP_ARCH_X86_64 && (uint32_t)number & X32_BIT)
		arch = SCMP_ARCH_X32;
#endif
	name = seccomp_syscall_resolve_num_arch(arch, number);
	newer = lxe_call_newer_name(number & ~(int)X32_BIT);
	return name || !newer ? name : strdup(newer);
}
