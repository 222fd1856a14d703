#include "confine/compile.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bpf.h"
#include "confine/calls.h"
#include "policy/caps.h"

#define ALLOW SECCOMP_RET_ALLOW
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)
#define ABSENT (SECCOMP_RET_ERRNO | ENOSYS)
#define X32_BIT 0x40000000

/* The architectures of the host, as a filter is told of them and as libseccomp calls them. */
static const struct arch {
	const char *name;
	uint32_t audit, token, bit;
} arches[] = {
#if defined(__x86_64__)
	{ "x86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0 },
	{ "x86", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0 },
	{ "x32", AUDIT_ARCH_X86_64, SCMP_ARCH_X32, X32_BIT },
#elif defined(__aarch64__)
	{ "arm64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0 },
	{ "arm", AUDIT_ARCH_ARM, SCMP_ARCH_ARM, 0 },
#endif
};

#define N_ARCHES (sizeof(arches) / sizeof(arches[0]))

static struct lxe_rules builtin(const char *name, uint64_t caps)
{
	const struct lxe_rules_for who = { .capabilities = caps, .kernel = 6 << 16 };
	struct lxe_rules rules = { 0 };

	cr_assert_eq(lxe_rules_builtin(&rules, name, &who), 0);
	return rules;
}

static struct lxe_filter compiled(const struct lxe_rules *rules)
{
	struct lxe_filter filter = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_compile(&filter, rules, &err), 0, "%s", err.msg);
	return filter;
}

static struct lxe_filter compiled_builtin(const char *name, uint64_t caps)
{
	struct lxe_rules rules = builtin(name, caps);
	struct lxe_filter filter = compiled(&rules);

	lxe_rules_release(&rules);
	return filter;
}

static struct lxe_filter compiled_json(const char *json)
{
	const struct lxe_rules_for who = { .capabilities = lxe_caps_default(), .kernel = 6 << 16 };
	struct lxe_rules rules = { 0 };
	struct lxe_err err = { 0 };
	struct lxe_filter filter;

	cr_assert_eq(
		lxe_rules_from_json(&rules, "x", json, strlen(json), &who, &err), 0, "%s", err.msg);
	filter = compiled(&rules);
	lxe_rules_release(&rules);
	return filter;
}

static uint32_t say(
	const struct lxe_filter *f, const struct arch *arch, int number, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = number, .arch = arch->audit };

	if (args)
		memcpy(data.args, args, sizeof(data.args));
	return bpf_run(f->instructions, f->n, &data);
}

/* By number, and not by libseccomp's look-up of names: that gives sockets of x86 numbers of its own. */
static int newer(const char *name)
{
	for (int n = 0; n < 1024; n++)
		if (lxe_call_newer_name(n) && strcmp(lxe_call_newer_name(n), name) == 0)
			return n;
	return -1;
}

static int number_of(const struct arch *arch, const char *name)
{
	for (int n = 0; n < 600; n++) {
		char *known = seccomp_syscall_resolve_num_arch(arch->token, n | (int)arch->bit);
		bool is = known && strcmp(known, name) == 0;

		free(known);
		if (is)
			return n | (int)arch->bit;
	}
	return newer(name) < 0 ? -1 : newer(name) | (int)arch->bit;
}

/* What `name` gets everywhere where there is such a call. */
static void expect(
	const struct lxe_filter *f, const char *name, const uint64_t args[6], uint32_t action)
{
	for (size_t i = 0; i < N_ARCHES; i++) {
		int number = number_of(&arches[i], name);

		if (number >= 0)
			cr_assert_eq(say(f, &arches[i], number, args), action, "%s on %s: %x", name,
				arches[i].name, say(f, &arches[i], number, args));
	}
}

static void expect_all(const struct lxe_filter *f, const char *names, uint32_t action)
{
	char *copy = strdup(names), *rest = copy, *name;

	while ((name = strsep(&rest, " ")))
		expect(f, name, NULL, action);
	free(copy);
}

/* ---- the model: what rules mean, call by call ---- */

static bool compare(const struct lxe_compare *c, const uint64_t args[6])
{
	uint64_t is = args[c->index];

	switch (c->op) {
	case LXE_COMPARE_NE:
		return is != c->value;
	case LXE_COMPARE_LT:
		return is < c->value;
	case LXE_COMPARE_LE:
		return is <= c->value;
	case LXE_COMPARE_EQ:
		return is == c->value;
	case LXE_COMPARE_GE:
		return is >= c->value;
	case LXE_COMPARE_GT:
		return is > c->value;
	case LXE_COMPARE_MASKED_EQ:
		return (is & c->value) == c->value_two;
	}
	return false;
}

static bool holds(const struct lxe_rule *rule, const char *name, const uint64_t args[6])
{
	bool named = false;

	for (size_t i = 0; i < rule->names.n; i++)
		named |= strcmp(rule->names.v[i], name) == 0;
	for (size_t i = 0; named && i < rule->n_args; i++)
		named &= compare(&rule->args[i], args);
	return named;
}

static uint32_t model(const struct lxe_rules *rules, const char *name, const uint64_t args[6])
{
	static const struct {
		bool args, permits;
	} order[] = { { true, false }, { true, true }, { false, false }, { false, true } };

	for (size_t o = 0; o < 4; o++)
		for (size_t i = 0; i < rules->n; i++)
			if (!rules->rules[i].n_args == !order[o].args &&
				lxe_action_permits(rules->rules[i].action) == order[o].permits &&
				holds(&rules->rules[i], name, args))
				return rules->rules[i].action;
	return rules->default_action;
}

static void expect_model(const struct lxe_rules *rules, const uint64_t args[6])
{
	struct lxe_filter f = compiled(rules);

	for (size_t i = 0; i < N_ARCHES; i++)
		for (int n = 0; n < 1100; n++) {
			int number = n | (int)arches[i].bit;
			char *known = seccomp_syscall_resolve_num_arch(arches[i].token, number);
			const char *name = known ? known : lxe_call_newer_name(n);
			uint32_t is = say(&f, &arches[i], number, args);

			/* What stands for others is answered apart. */
			if (!name)
				cr_assert_eq(is, rules->default_action, "%s %d", arches[i].name, n);
			else if (strcmp(name, "socketcall") != 0 && strcmp(name, "ipc") != 0)
				cr_assert_eq(is, model(rules, name, args), "%s on %s: %x, not %x",
					name, arches[i].name, is, model(rules, name, args));
			free(known);
		}
	lxe_filter_release(&f);
}

/* Arguments that rules look at, and their neighbours. */
static const uint64_t arguments[][6] = {
	{ 0 },
	{ AF_UNIX, TIOCSTI },
	{ AF_VSOCK, TIOCLINUX },
	{ 0xdead00000000 | AF_VSOCK, 0xdead00000000 | TIOCSTI },
	{ AF_INET, TIOCSTI + 1 },
	{ CLONE_NEWUSER | SIGCHLD },
	{ CLONE_NEWNS },
	{ CLONE_NEWCGROUP },
	{ CLONE_NEWUTS },
	{ CLONE_NEWIPC },
	{ CLONE_NEWPID | CLONE_VM },
	{ CLONE_NEWNET },
	{ CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD },
	{ 8 },
	{ 0x20000 },
	{ 0x20008 },
	{ 0x0040000 }, /* ADDR_NO_RANDOMIZE */
	{ 0xffffffff },
	{ UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
};

#define N_ARGUMENTS (sizeof(arguments) / sizeof(arguments[0]))

Test(compile, the_filter_says_what_its_rules_say)
{
	static const char *const names[] = { "default", "strict", "unconfined" };
	const uint64_t caps[] = { lxe_caps_default(), 0, UINT64_MAX };

	for (size_t i = 0; i < 3; i++)
		for (size_t c = 0; c < 3; c++) {
			struct lxe_rules rules = builtin(names[i], caps[c]);

			for (size_t a = 0; a < N_ARGUMENTS; a++)
				expect_model(&rules, arguments[a]);
			lxe_rules_release(&rules);
		}
}

/* ---- the built-in profiles ---- */

static const char dangerous[] =
	"setns unshare keyctl add_key request_key bpf perf_event_open userfaultfd kexec_load "
	"kexec_file_load init_module finit_module delete_module mount umount umount2 pivot_root "
	"move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr statmount "
	"listmount process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp io_uring_setup "
	"io_uring_enter io_uring_register clock_settime clock_settime64 clock_adjtime clock_adjtime64 "
	"settimeofday stime adjtimex open_by_handle_at reboot swapon swapoff acct syslog quotactl "
	"sethostname setdomainname ioperm iopl vhangup nfsservctl lookup_dcookie fanotify_init mbind "
	"set_mempolicy move_pages migrate_pages vm86 vm86old";

Test(compile, what_reaches_beyond_a_sandbox_is_refused)
{
	static const char *const names[] = { "default", "strict" };

	for (size_t i = 0; i < 2; i++) {
		struct lxe_filter f = compiled_builtin(names[i], lxe_caps_default());

		expect_all(&f, dangerous, REFUSED);
		expect(&f, "clone3", NULL, ABSENT);
		lxe_filter_release(&f);
	}
}

Test(compile, what_programs_need_is_allowed)
{
	struct lxe_filter f = compiled_builtin("default", lxe_caps_default());

	expect_all(&f,
		"read write open openat close execve fork vfork clone mmap mmap2 brk futex wait4 ptrace "
		"socket bind connect accept4 sendmsg getrandom seccomp prctl rseq landlock_create_ruleset "
		"setresuid setgroups chroot mknod inotify_init1 semget shmget mq_open io_setup statx "
		"fchmodat2 cachestat futex_wait futex_wake futex_requeue mseal getxattrat epoll_pwait2",
		ALLOW);
	lxe_filter_release(&f);
}

Test(compile, what_is_unknown_does_not_exist)
{
	static const char *const names[] = { "default", "strict" };

	for (size_t i = 0; i < 2; i++) {
		struct lxe_filter f = compiled_builtin(names[i], lxe_caps_default());
		struct arch other = { "s390", AUDIT_ARCH_S390X, 0, 0 };

		for (size_t a = 0; a < N_ARCHES; a++)
			for (int n = 0; n < 4; n++) {
				static const int numbers[] = { 480, 700, 100000, 0x3fffffff };

				cr_assert_eq(
					say(&f, &arches[a], numbers[n] | (int)arches[a].bit, NULL),
					ABSENT, "%d on %s", numbers[n], arches[a].name);
			}
		cr_assert_eq(say(&f, &arches[0], -1, NULL), ABSENT);
		cr_assert_eq(say(&f, &other, 1, NULL), ABSENT, "another architecture");
		lxe_filter_release(&f);
	}
}

Test(compile, the_calls_that_stand_for_others_do_not_exist)
{
#if defined(__x86_64__)
	struct lxe_filter f = compiled_builtin("default", lxe_caps_default());

	/* socketcall(2) for 32-bit programs: an AF_VSOCK would be in memory. */
	for (uint64_t call = 0; call < 24; call++)
		cr_assert_eq(say(&f, &arches[1], 102, (uint64_t[6]){ call }), ABSENT);
	cr_assert_eq(say(&f, &arches[1], 359, (uint64_t[6]){ AF_VSOCK }), REFUSED, "socket itself");
	cr_assert_eq(say(&f, &arches[1], 359, (uint64_t[6]){ AF_INET }), ALLOW);
	lxe_filter_release(&f);
#endif
}

Test(compile, arguments_are_looked_at_as_the_kernel_does)
{
	struct lxe_filter f = compiled_builtin("default", lxe_caps_default());
	const uint64_t high = 0xabcdef0100000000;

	for (int i = 0; i < 2; i++) {
		uint64_t h = i ? high : 0;

		expect(&f, "ioctl", (uint64_t[6]){ 0, h | TIOCSTI }, REFUSED);
		expect(&f, "ioctl", (uint64_t[6]){ 0, h | TIOCLINUX }, REFUSED);
		expect(&f, "ioctl", (uint64_t[6]){ TIOCSTI, h | TIOCGWINSZ }, ALLOW);
		expect(&f, "socket", (uint64_t[6]){ h | AF_VSOCK }, REFUSED);
		expect(&f, "socket", (uint64_t[6]){ h | AF_NETLINK }, ALLOW);
		expect(&f, "personality", (uint64_t[6]){ h | 0xffffffff }, ALLOW);
		expect(&f, "personality", (uint64_t[6]){ h | 0x0400000 },
			REFUSED); /* READ_IMPLIES_EXEC */
	}
	for (unsigned int bit = 0; bit < 32; bit++) {
		const uint64_t namespaces = 0x7e020000;

		expect(&f, "clone", (uint64_t[6]){ 1ULL << bit },
			namespaces >> bit & 1 ? REFUSED : ALLOW);
	}
	lxe_filter_release(&f);
}

Test(compile, strict_is_for_computing)
{
	struct lxe_filter f = compiled_builtin("strict", lxe_caps_default());

	for (uint64_t family = 0; family < 64; family++) {
		uint32_t want = family == AF_UNIX ? ALLOW : REFUSED;

		expect(&f, "socket", (uint64_t[6]){ family }, want);
		expect(&f, "socketpair", (uint64_t[6]){ family }, want);
	}
	expect_all(&f,
		"ptrace chroot setuid setresuid setgroups capset mknod semget shmget mq_open "
		"io_setup inotify_init1 setpriority",
		REFUSED);
	expect_all(&f, "read write openat execve mmap futex clone wait4 pipe2 epoll_wait getrandom",
		ALLOW);
	lxe_filter_release(&f);
}

Test(compile, a_capability_brings_its_calls)
{
	struct lxe_filter f =
		compiled_builtin("default", lxe_caps_default() | 1ULL << CAP_SYS_ADMIN);

	expect_all(&f, "mount umount2 unshare setns clone3 bpf", ALLOW);
	expect(&f, "clone", (uint64_t[6]){ CLONE_NEWUSER }, ALLOW);
	expect_all(&f, "init_module kexec_load keyctl io_uring_setup userfaultfd", REFUSED);
	lxe_filter_release(&f);
	f = compiled_builtin("strict", UINT64_MAX);
	expect_all(&f, dangerous, REFUSED);
	lxe_filter_release(&f);
}

/* ---- rules of others ---- */

Test(compile, of_two_rules_the_denial_and_the_narrower_one_count)
{
	struct lxe_filter f = compiled_json(
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": ["
		"{\"names\": [\"ioctl\", \"dup\", \"mseal\"], \"action\": \"SCMP_ACT_ALLOW\"},"
		"{\"names\": [\"ioctl\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 25,"
		" \"args\": [{\"index\": 1, \"value\": 7, \"op\": \"SCMP_CMP_EQ\"}]},"
		"{\"names\": [\"dup\", \"kill\"], \"action\": \"SCMP_ACT_ERRNO\"},"
		"{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_ALLOW\","
		" \"args\": [{\"index\": 1, \"value\": 9, \"op\": \"SCMP_CMP_EQ\"}]}]}");

	expect(&f, "ioctl", (uint64_t[6]){ 0, 7 }, SECCOMP_RET_ERRNO | 25);
	expect(&f, "ioctl", (uint64_t[6]){ 0, 8 }, ALLOW);
	expect(&f, "dup", NULL, REFUSED);
	expect(&f, "mseal", NULL, ALLOW);
	expect(&f, "kill", (uint64_t[6]){ 1, 9 }, ALLOW);
	expect(&f, "kill", (uint64_t[6]){ 1, 15 }, REFUSED);
	expect(&f, "read", NULL, REFUSED);
	lxe_filter_release(&f);
}

Test(compile, every_known_name_can_stand_in_a_rule)
{
	for (const struct lxe_calls *g = lxe_calls(); g->names; g++) {
		char *copy = strdup(g->names + 1), *rest = copy, *name;

		while ((name = strsep(&rest, " ")) && *name) {
			struct lxe_rules rules = { .default_action = ABSENT,
				.arches = LXE_ARCH_ALL };
			struct lxe_rule *rule = lxe_rules_add(&rules, ALLOW);
			struct lxe_filter f;

			cr_assert_eq(lxe_strv_add(&rule->names, name), 0);
			if (newer(name) < 0) {
				rule = lxe_rules_add(&rules, SECCOMP_RET_KILL_PROCESS);
				cr_assert_eq(lxe_strv_add(&rule->names, name), 0);
				rule->n_args = 1;
				rule->args[0] = (struct lxe_compare){ 2, LXE_COMPARE_GT, 5, 0 };
			}
			f = compiled(&rules);
			expect(&f, name, (uint64_t[6]){ 0, 0, 5 }, ALLOW);
			lxe_filter_release(&f);
			lxe_rules_release(&rules);
		}
		free(copy);
	}
}

Test(compile, every_action_is_what_it_is)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{ "KILL", SECCOMP_RET_KILL_THREAD },
		{ "KILL_THREAD", SECCOMP_RET_KILL_THREAD },
		{ "KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
		{ "TRAP", SECCOMP_RET_TRAP },
		{ "ERRNO", SECCOMP_RET_ERRNO | 7 },
		{ "TRACE", SECCOMP_RET_TRACE | 7 },
		{ "LOG", SECCOMP_RET_LOG },
		{ "ALLOW", SECCOMP_RET_ALLOW },
	};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		char json[512];
		struct lxe_filter f;

		snprintf(json, sizeof(json),
			"{\"defaultAction\": \"SCMP_ACT_%s\", \"defaultErrnoRet\": 7, \"syscalls\": ["
			"{\"names\": [\"dup\"], \"action\": \"SCMP_ACT_ALLOW\"},"
			"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_%s\", \"errnoRet\": 7}]}",
			actions[i].name, actions[i].name);
		f = compiled_json(json);
		expect(&f, "write", NULL, actions[i].action);
		expect(&f, "read", NULL, actions[i].action);
		expect(&f, "dup", NULL, ALLOW);
		lxe_compile_log(&f);
		expect(&f, "write", NULL, i < 7 ? SECCOMP_RET_LOG : ALLOW);
		lxe_filter_release(&f);
	}
}

Test(compile, an_architecture_that_is_not_listed_has_no_calls)
{
#if defined(__x86_64__)
	struct lxe_filter f = compiled_json(
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86_64\"]}");

	cr_assert_eq(say(&f, &arches[0], 0, NULL), ALLOW);
	cr_assert_eq(say(&f, &arches[1], 3, NULL), ABSENT);
	cr_assert_eq(say(&f, &arches[2], X32_BIT, NULL), ABSENT);
	lxe_filter_release(&f);
#endif
}

Test(compile, what_is_too_much_for_the_kernel_is_an_error)
{
	struct lxe_rules rules = { .default_action = ABSENT, .arches = LXE_ARCH_ALL };
	struct lxe_filter f = { 0 };
	struct lxe_err err = { 0 };
	int r;

	for (uint64_t i = 0; i < 500; i++) {
		struct lxe_rule *rule = lxe_rules_add(&rules, ALLOW);

		cr_assert_eq(lxe_strv_add(&rule->names, "ioctl"), 0);
		rule->n_args = LXE_CALL_ARGS;
		for (unsigned int a = 0; a < LXE_CALL_ARGS; a++)
			rule->args[a] = (struct lxe_compare){ a, LXE_COMPARE_GT, i * 7919 + a, 0 };
	}
	r = lxe_compile(&f, &rules, &err);
	cr_assert_eq(r, -E2BIG, "%d %d", r, (int)f.n);
	cr_assert(strstr(err.msg, "4096"), "%s", err.msg);
	cr_assert_null(f.instructions);
	lxe_rules_release(&rules);
}

/* ---- logging and learning ---- */

Test(compile, a_filter_that_logs_denies_nothing)
{
	struct lxe_filter f = compiled_builtin("default", lxe_caps_default());

	lxe_compile_log(&f);
	expect_all(&f, dangerous, SECCOMP_RET_LOG);
	expect(&f, "clone3", NULL, SECCOMP_RET_LOG);
	expect(&f, "read", NULL, ALLOW);
	expect(&f, "ioctl", (uint64_t[6]){ 0, TIOCSTI }, SECCOMP_RET_LOG);
	lxe_filter_release(&f);
}

Test(compile, a_filter_that_learns_asks_for_what_it_permits)
{
	struct lxe_filter f = compiled_builtin("default", lxe_caps_default());

	cr_assert_eq(lxe_compile_learn(&f), 0);
	expect_all(&f, dangerous, REFUSED);
	expect_all(&f, "openat mmap clone exit futex", SECCOMP_RET_USER_NOTIF);
	/* What the command's process does before its execve, when there may be nobody to answer. */
	for (const char *const *name = lxe_compile_always(); *name; name++)
		cr_assert_eq(say(&f, &arches[0], number_of(&arches[0], *name), NULL), ALLOW, "%s",
			*name);
	if (N_ARCHES > 1)
		cr_assert_eq(say(&f, &arches[1], number_of(&arches[1], "read"), NULL),
			SECCOMP_RET_USER_NOTIF);
	lxe_filter_release(&f);
}

Test(compile, calls_are_named_as_notifications_tell_them)
{
	for (size_t i = 0; i < N_ARCHES; i++) {
		int numbers[] = { number_of(&arches[i], "openat"), number_of(&arches[i], "socket"),
			number_of(&arches[i], "mseal") };
		static const char *const names[] = { "openat", "socket", "mseal" };

		for (size_t n = 0; n < 3; n++) {
			char *name = lxe_compile_name(arches[i].audit, numbers[n]);

			cr_assert_str_eq(name, names[n]);
			free(name);
		}
	}
	cr_assert_null(lxe_compile_name(arches[0].audit, 999));
}
