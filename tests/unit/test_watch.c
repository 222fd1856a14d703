/* The filters of a command whose denials are told: together they say what the profile's own filter says. */
#include "confine/watch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "bpf.h"
#include "confine/compile.h"
#include "confine/rules.h"

#define ASK SECCOMP_RET_USER_NOTIF
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#define OTHER AUDIT_ARCH_I386
#else
#define NATIVE AUDIT_ARCH_AARCH64
#define OTHER AUDIT_ARCH_ARM
#endif

static const struct lxe_rules_for who = { .kernel = 6 << 16 };

static struct lxe_filter of_text(const char *text)
{
	struct lxe_rules rules = { 0 };
	struct lxe_filter filter = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_rules_from_json(&rules, "test", text, strlen(text), &who, &err), 0, "%s",
		err.msg);
	cr_assert_eq(lxe_compile(&filter, &rules, &err), 0, "%s", err.msg);
	lxe_rules_release(&rules);
	return filter;
}

static struct lxe_filter builtin(const char *name)
{
	struct lxe_rules rules = { 0 };
	struct lxe_filter filter = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_rules_builtin(&rules, name, &who), 0);
	cr_assert_eq(lxe_compile(&filter, &rules, &err), 0, "%s", err.msg);
	lxe_rules_release(&rules);
	return filter;
}

/* Of two filters the kernel takes the answer that is the least, as a number with a sign (seccomp(2)). */
static uint32_t both(const struct lxe_watch *w, const struct seccomp_data *call)
{
	uint32_t a = bpf_run(w->asks.instructions, w->asks.n, call);
	uint32_t b = w->base.n ? bpf_run(w->base.instructions, w->base.n, call) : SECCOMP_RET_ALLOW;

	return (int32_t)(a & SECCOMP_RET_ACTION_FULL) <= (int32_t)(b & SECCOMP_RET_ACTION_FULL) ? a
												: b;
}

static void check_call(
	const struct lxe_filter *filter, const struct lxe_watch *w, const struct seccomp_data *call)
{
	uint32_t is = both(w, call);
	uint32_t want =
		filter->n ? bpf_run(filter->instructions, filter->n, call) : SECCOMP_RET_ALLOW;

	if (is != ASK)
		cr_assert_eq(is, want, "call %d of %x: %x", call->nr, call->arch, is);
	else if (lxe_watch_permits(w->readers, call->arch, call->nr))
		cr_assert(lxe_action_permits(want), "call %d: %x", call->nr, want);
	else
		cr_assert_eq(want, REFUSED, "call %d of %x: %x", call->nr, call->arch, want);
}

static void check(struct lxe_filter filter)
{
	static const uint32_t arches[] = { NATIVE, OTHER, AUDIT_ARCH_S390 };
	uint64_t next = 1;

	for (int readers = 0; readers < 2; readers++) {
		struct lxe_watch w = { 0 };

		cr_assert_eq(lxe_watch_make(&w, &filter, readers), 0);
		cr_assert(w.asks.listens && !w.base.listens);
		for (int i = 0; i < 3 * 1100; i++) {
			struct seccomp_data call = { .arch = arches[i % 3], .nr = i / 3 };

			for (int n = 0; n < 6; n++) {
				next = next * 6364136223846793005 + 1442695040888963407;
				call.args[n] = (next >> 33) % (n % 2 ? 8 : 0x20000);
			}
			check_call(&filter, &w, &call);
			call.nr |= 0x40000000;
			check_call(&filter, &w, &call);
		}
		lxe_watch_release(&w);
	}
	lxe_filter_release(&filter);
}

Test(watch, nothing_is_permitted_that_the_profile_does_not)
{
	check(builtin("default"));
	check(builtin("strict"));
	check((struct lxe_filter){ 0 });
}

Test(watch, whatever_the_profile_refuses_with)
{
	check(of_text("{\"defaultAction\":\"SCMP_ACT_ERRNO\"}"));
	check(of_text("{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":[{\"names\":"
		      "[\"openat\",\"mkdir\",\"uname\"],\"action\":\"SCMP_ACT_ALLOW\"}]}"));
	check(of_text("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"openat\","
		      "\"unlink\",\"execve\",\"read\",\"mount\"],\"action\":\"SCMP_ACT_ERRNO\"},"
		      "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":1,"
		      "\"value\":3,\"op\":\"SCMP_CMP_EQ\"}]}]}"));
}

static uint32_t says(const struct lxe_watch *w, int number, uint64_t flags)
{
	struct seccomp_data call = { .arch = NATIVE, .nr = number, .args = { 0, 0, flags } };

	return both(w, &call);
}

Test(watch, what_is_asked_for)
{
	struct lxe_filter filter = builtin("default");
	struct lxe_watch w = { 0 };

	cr_assert_eq(lxe_watch_make(&w, &filter, false), 0);
	cr_assert_eq(says(&w, SYS_openat, O_RDONLY | O_CLOEXEC), SECCOMP_RET_ALLOW);
	cr_assert_eq(says(&w, SYS_openat, O_WRONLY), ASK);
	cr_assert_eq(says(&w, SYS_openat, O_RDONLY | O_CREAT), ASK);
	cr_assert_eq(says(&w, SYS_unlinkat, 0), ASK);
	cr_assert_eq(says(&w, SYS_unshare, 0), ASK, "it is refused");
	cr_assert_eq(says(&w, SYS_execve, 0), SECCOMP_RET_ALLOW);
	cr_assert_eq(says(&w, SYS_statx, 0), SECCOMP_RET_ALLOW);
	cr_assert_eq(says(&w, SYS_write, 0), SECCOMP_RET_ALLOW);
	lxe_watch_release(&w);
	cr_assert_eq(lxe_watch_make(&w, &filter, true), 0);
	cr_assert_eq(says(&w, SYS_openat, O_RDONLY), ASK, "where something is denied to readers");
	cr_assert_eq(says(&w, SYS_statx, 0), ASK);
	cr_assert_eq(says(&w, SYS_execve, 0), ASK);
	cr_assert_eq(says(&w, SYS_write, 0), SECCOMP_RET_ALLOW);
	lxe_watch_release(&w);
	lxe_filter_release(&filter);
}

Test(watch, a_filter_that_is_too_long_is_not_watched)
{
	struct sock_filter *v = calloc(BPF_MAXINSNS, sizeof(*v));
	struct lxe_filter filter = { .instructions = v, .n = BPF_MAXINSNS };
	struct lxe_watch w = { 0 };

	for (size_t i = 0; i < BPF_MAXINSNS; i++)
		v[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	cr_assert_eq(lxe_watch_make(&w, &filter, false), -E2BIG);
	cr_assert(!w.asks.instructions && !w.base.instructions);
	lxe_filter_release(&filter);
}
