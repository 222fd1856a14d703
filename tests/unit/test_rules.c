#include "confine/rules.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/caps.h"

static const struct lxe_rules_for here = { .capabilities = 1ULL << CAP_CHOWN,
	.kernel = 6 << 16 | 1 };

static int parse(struct lxe_rules *rules, const char *json, struct lxe_err *err)
{
	return lxe_rules_from_json(rules, "p.json", json, strlen(json), &here, err);
}

static struct lxe_rules good(const char *json)
{
	struct lxe_rules rules = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_eq(parse(&rules, json, &err), 0, "%s: %s", json, err.msg);
	return rules;
}

static void bad(const char *json, const char *message)
{
	struct lxe_rules rules = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_eq(parse(&rules, json, &err), -EINVAL, "%s", json);
	if (message)
		cr_assert_str_eq(err.msg, message);
	cr_assert_null(rules.rules);
}

static void bad_rule(const char *rule, const char *message)
{
	char json[1024];

	snprintf(json, sizeof(json), "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [%s]}",
		rule);
	bad(json, message);
}

#define ALLOW_READ "\"names\": [\"read\"], \"action\": \"SCMP_ACT_ALLOW\""

Test(rules, of_a_profile_are_what_it_says)
{
	struct lxe_rules r = good(
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38, \"syscalls\": ["
		"{\"names\": [\"read\", \"write\"], \"action\": \"SCMP_ACT_ALLOW\", \"comment\": \"x\","
		" \"args\": null, \"includes\": {}, \"excludes\": {}},"
		"{\"name\": \"ioctl\", \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 25, \"args\": ["
		"{\"index\": 1, \"value\": 4294967295, \"valueTwo\": 7, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]}");

	cr_assert_eq(r.default_action, SECCOMP_RET_ERRNO | ENOSYS);
	cr_assert_eq(r.arches, LXE_ARCH_ALL);
	cr_assert_eq(r.n, 2);
	cr_assert_eq(r.rules[0].names.n, 2);
	cr_assert_str_eq(r.rules[0].names.v[1], "write");
	cr_assert_eq(r.rules[0].action, SECCOMP_RET_ALLOW);
	cr_assert_eq(r.rules[1].action, SECCOMP_RET_ERRNO | 25);
	cr_assert_eq(r.rules[1].n_args, 1);
	cr_assert_eq(r.rules[1].args[0].index, 1);
	cr_assert_eq(r.rules[1].args[0].op, LXE_COMPARE_MASKED_EQ);
	cr_assert_eq(r.rules[1].args[0].value, 0xffffffff);
	cr_assert_eq(r.rules[1].args[0].value_two, 7);
	lxe_rules_release(&r);
}

/* An argument has 64 bits and no sign. */
Test(rules, values_beyond_a_signed_number)
{
	struct lxe_rules r = { 0 };

	r = good("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"read\"], "
		 "\"comment\": \"\\\\\\\" 18446744073709551615\", "
		 "\"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 1, "
		 "\"value\":18446744073709551615, \"valueTwo\": 9223372036854775808, "
		 "\"op\": \"SCMP_CMP_MASKED_EQ\"}]}]}");
	cr_assert_eq(r.rules[0].args[0].value, UINT64_MAX);
	cr_assert_eq(r.rules[0].args[0].value_two, (uint64_t)INT64_MAX + 1);
	lxe_rules_release(&r);
	bad_rule(
		"{" ALLOW_READ
		", \"args\": [{\"index\": 9223372036854775809, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]}",
		"p.json: syscalls[0].args[0].index: 9223372036854775809 is too large");
	bad_rule(
		"{" ALLOW_READ
		", \"args\": [{\"index\": 0, \"value\": -9223372036854775809, \"op\": \"SCMP_CMP_EQ\"}]}",
		NULL);
	bad_rule(
		"{" ALLOW_READ
		", \"args\": [{\"index\": 0, \"value\": 18446744073709551616, \"op\": \"SCMP_CMP_EQ\"}]}",
		NULL);
}

Test(rules, errors_may_have_names)
{
	struct lxe_rules r = good(
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrno\": \"ENOSYS\", \"syscalls\": ["
		"{\"names\": [\"read\"], \"action\": \"SCMP_ACT_ERRNO\", \"errno\": \"EINVAL\"}]}");

	cr_assert_eq(r.default_action, SECCOMP_RET_ERRNO | ENOSYS);
	cr_assert_eq(r.rules[0].action, SECCOMP_RET_ERRNO | EINVAL);
	lxe_rules_release(&r);
}

Test(rules, comparisons_of_one_argument_are_rules_of_their_own)
{
	struct lxe_rules r =
		good("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{" ALLOW_READ
		     ", \"args\": ["
		     "{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"},"
		     "{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}]}]}");

	cr_assert_eq(r.n, 2);
	cr_assert_eq(r.rules[0].n_args, 1);
	cr_assert_eq(r.rules[1].args[0].value, 2);
	lxe_rules_release(&r);
}

static void expect_applies(const char *conditions, bool applies)
{
	char json[512];
	struct lxe_rules r;

	snprintf(json, sizeof(json),
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{" ALLOW_READ ", %s}]}",
		conditions);
	r = good(json);
	cr_assert_eq(r.n, applies, "%s", conditions);
	lxe_rules_release(&r);
}

Test(rules, conditions_are_decided)
{
#if defined(__x86_64__)
#define OURS "amd64"
#else
#define OURS "arm64"
#endif
	expect_applies("\"includes\": {\"caps\": [\"CAP_CHOWN\"]}", true);
	expect_applies("\"includes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}", false);
	expect_applies("\"includes\": {\"caps\": [\"CAP_CHOWN\", \"CAP_SYS_ADMIN\"]}", false);
	expect_applies("\"excludes\": {\"caps\": [\"CAP_CHOWN\"]}", false);
	expect_applies("\"excludes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}", true);
	expect_applies("\"includes\": {\"arches\": [\"" OURS "\", \"s390x\"]}", true);
	expect_applies("\"includes\": {\"arches\": [\"s390x\"]}", false);
	expect_applies("\"excludes\": {\"arches\": [\"s390\", \"s390x\"]}", true);
	expect_applies("\"excludes\": {\"arches\": [\"" OURS "\"]}", false);
	expect_applies("\"includes\": {\"minKernel\": \"4.8\"}", true);
	expect_applies("\"includes\": {\"minKernel\": \"6.1\"}", true);
	expect_applies("\"includes\": {\"minKernel\": \"6.2\"}", false);
	expect_applies("\"excludes\": {\"minKernel\": \"4.8\"}", false);
	expect_applies("\"includes\": {\"caps\": null, \"arches\": []}", true);
}

Test(rules, architectures_are_those_of_this_machine)
{
#if defined(__x86_64__)
	struct lxe_rules r = good("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": ["
				  "{\"architecture\": \"SCMP_ARCH_X86_64\", \"subArchitectures\": "
				  "[\"SCMP_ARCH_X32\"]}, {\"architecture\": \"SCMP_ARCH_AARCH64\","
				  "\"subArchitectures\": [\"SCMP_ARCH_ARM\"]}]}");

	cr_assert_eq(r.arches, 1 << LXE_ARCH_NATIVE | 1 << LXE_ARCH_X32);
	lxe_rules_release(&r);
	r = good("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\"]}");
	cr_assert_eq(r.arches, 1 << LXE_ARCH_NATIVE | 1 << LXE_ARCH_32);
	lxe_rules_release(&r);
#endif
}

Test(rules, that_are_wrong_are_told_with_their_place)
{
	bad("[]", "p.json: is not an object");
	bad("{}", "p.json: defaultAction: is missing");
	bad("{\"defaultAction\": 1}", "p.json: defaultAction: is not a text");
	bad("{\"defaultAction\": \"SCMP_ACT_MAYBE\"}",
		"p.json: defaultAction: 'SCMP_ACT_MAYBE' is not an action");
	bad("{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}",
		"p.json: defaultAction: SCMP_ACT_NOTIFY is not supported: nobody would answer");
	bad("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscall\": []}",
		"p.json: the key 'syscall' is not known");
	bad("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 4096}",
		"p.json: defaultErrnoRet: 4096 is too large");
	bad("{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrno\": \"EWHAT\"}",
		"p.json: defaultErrno: 'EWHAT' is not an error");
	bad("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": {}}",
		"p.json: syscalls: is not a list");
	bad("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"AMD64\"]}",
		"p.json: architectures[0]: 'AMD64' is not an architecture");
	bad("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86\"],"
	    "\"archMap\": []}",
		"p.json: architectures and archMap stand beside each other");
	bad_rule("7", "p.json: syscalls[0]: is not an object");
	bad_rule("{" ALLOW_READ "}, {\"names\": [\"write\"], \"action\": \"ALLOW\"}",
		"p.json: syscalls[1].action: 'ALLOW' is not an action");
	bad_rule("{\"names\": [\"read\", \"raed\"], \"action\": \"SCMP_ACT_ALLOW\"}",
		"p.json: syscalls[0].names[1]: 'raed' is not a system call");
	bad_rule("{\"names\": [\"\"], \"action\": \"SCMP_ACT_ALLOW\"}",
		"p.json: syscalls[0].names[0]: '' is not a system call");
	bad_rule("{\"names\": [\"read write\"], \"action\": \"SCMP_ACT_ALLOW\"}",
		"p.json: syscalls[0].names[0]: 'read write' is not a system call");
	bad_rule("{\"names\": [], \"action\": \"SCMP_ACT_ALLOW\"}",
		"p.json: syscalls[0].names: there is none");
	bad_rule("{\"name\": \"read\", " ALLOW_READ "}",
		"p.json: syscalls[0].name: stands beside names");
	bad_rule("{\"names\": [\"read\"]}", "p.json: syscalls[0].action: is missing");
	bad_rule("{" ALLOW_READ ", \"errnoRet\": -1}",
		"p.json: syscalls[0].errnoRet: is not a number from 0 on");
	bad_rule(
		"{" ALLOW_READ ", \"arg\": []}", "p.json: syscalls[0]: the key 'arg' is not known");
	bad_rule("{" ALLOW_READ
		 ", \"args\": [{\"index\": 6, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]}",
		"p.json: syscalls[0].args[0].index: 6 is too large");
	bad_rule("{" ALLOW_READ
		 ", \"args\": [{\"index\": 0, \"value\": 1.5, \"op\": \"SCMP_CMP_EQ\"}]}",
		"p.json: syscalls[0].args[0].value: is not a number from 0 on");
	bad_rule("{" ALLOW_READ ", \"args\": [{\"index\": 0, \"value\": 1, \"op\": \"EQ\"}]}",
		"p.json: syscalls[0].args[0].op: 'EQ' is not a comparison");
	bad_rule("{" ALLOW_READ ", \"args\": [{\"index\": 0, \"op\": \"SCMP_CMP_EQ\"}]}",
		"p.json: syscalls[0].args[0].value: is missing");
	bad_rule("{" ALLOW_READ ", \"includes\": {\"caps\": [\"SYS_ADMIN\"]}}",
		"p.json: syscalls[0].includes.caps[0]: 'SYS_ADMIN' is not a capability");
	bad_rule("{" ALLOW_READ ", \"excludes\": {\"minKernel\": \"4\"}}",
		"p.json: syscalls[0].excludes.minKernel: '4' is not a version such as 4.8");
	bad_rule("{" ALLOW_READ ", \"includes\": {\"arch\": []}}",
		"p.json: syscalls[0].includes: the key 'arch' is not known");
}

Test(rules, text_that_is_no_json_is_told_with_line_and_column)
{
	bad("{\n  \"defaultAction\": }", "p.json:2:20: unexpected token near '}'");
	bad("", "p.json:1:0: '[' or '{' expected near end of file");
	bad("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"defaultAction\": \"SCMP_ACT_KILL\"}",
		"p.json:1:51: duplicate object key near '\"defaultAction\"'");
}

Test(rules, hostile_text_is_an_error_and_no_more)
{
	const size_t deep = 500000, large = LXE_RULES_TEXT_MAX + 1;
	char *text = malloc(large + 1);
	struct lxe_rules rules = { 0 };
	struct lxe_err err = { 0 };

	memset(text, '[', deep);
	cr_assert_eq(lxe_rules_from_json(&rules, "p", text, deep, &here, &err), -EINVAL);
	cr_assert(strstr(err.msg, "depth"), "%s", err.msg);
	memset(text, ' ', large);
	err = (struct lxe_err){ 0 };
	cr_assert_eq(lxe_rules_from_json(&rules, "p", text, large, &here, &err), -EINVAL);
	cr_assert_str_eq(err.msg, "p: is larger than 1024 KiB");
	err = (struct lxe_err){ 0 };
	cr_assert_eq(lxe_rules_from_json(&rules, "p", "{\"\0\"}", 5, &here, &err), -EINVAL);
	free(text);
}

/* ---- written, and read again ---- */

static bool same_rule(const struct lxe_rule *a, const struct lxe_rule *b)
{
	return a->action == b->action && a->names.n == b->names.n && a->n_args == b->n_args &&
	       memcmp(a->args, b->args, sizeof(a->args)) == 0;
}

Test(rules, that_are_written_are_read_again)
{
	static const char *const names[] = { "default", "strict", "unconfined" };
	const struct lxe_rules_for who = { .capabilities = lxe_caps_default() };

	for (size_t i = 0; i < 3; i++) {
		struct lxe_rules rules = { 0 }, again = { 0 };
		struct lxe_err err = { 0 };
		char *json;

		cr_assert_eq(lxe_rules_builtin(&rules, names[i], &who), 0);
		json = lxe_rules_to_json(&rules);
		cr_assert_eq(lxe_rules_from_json(&again, "x", json, strlen(json), &who, &err), 0,
			"%s", err.msg);
		cr_assert_eq(again.default_action, rules.default_action);
		cr_assert_eq(again.arches, rules.arches);
		cr_assert_eq(again.n, rules.n);
		for (size_t n = 0; n < rules.n; n++)
			cr_assert(
				same_rule(&rules.rules[n], &again.rules[n]), "%s %zu", names[i], n);
		free(json);
		lxe_rules_release(&rules);
		lxe_rules_release(&again);
	}
}

/* ---- learning ---- */

static bool has_rule(
	const struct lxe_rules *rules, const char *name, uint32_t action, size_t n_args)
{
	for (size_t i = 0; i < rules->n; i++)
		for (size_t k = 0; k < rules->rules[i].names.n; k++)
			if (strcmp(rules->rules[i].names.v[k], name) == 0 &&
				rules->rules[i].action == action &&
				rules->rules[i].n_args == n_args)
				return true;
	return false;
}

Test(rules, that_are_tightened_permit_what_was_used_and_no_more)
{
	const struct lxe_rules_for who = { .capabilities = lxe_caps_default() };
	struct lxe_rules base = { 0 }, tight = { 0 };
	struct lxe_strv used = { 0 };

	lxe_strv_add(&used, "read");
	lxe_strv_add(&used, "socket");
	lxe_strv_add(&used, "mount"); /* it would have been denied */
	cr_assert_eq(lxe_rules_builtin(&base, "default", &who), 0);
	cr_assert_eq(lxe_rules_tighten(&tight, &base, &used), 0);
	cr_assert_eq(tight.default_action, SECCOMP_RET_ERRNO | ENOSYS);
	cr_assert(has_rule(&tight, "read", SECCOMP_RET_ALLOW, 0));
	cr_assert(has_rule(&tight, "socket", SECCOMP_RET_ALLOW, 0));
	cr_assert(has_rule(&tight, "socket", SECCOMP_RET_ERRNO | EPERM, 1), "AF_VSOCK");
	cr_assert(has_rule(&tight, "ioctl", SECCOMP_RET_ERRNO | EPERM, 1), "TIOCSTI");
	cr_assert(has_rule(&tight, "mount", SECCOMP_RET_ALLOW, 0));
	cr_assert_not(has_rule(&tight, "mount", SECCOMP_RET_ERRNO | EPERM, 0));
	cr_assert(has_rule(&tight, "umount2", SECCOMP_RET_ERRNO | EPERM, 0));
	cr_assert_not(has_rule(&tight, "write", SECCOMP_RET_ALLOW, 0));
	cr_assert_not(has_rule(&tight, "personality", SECCOMP_RET_ALLOW, 1));
	lxe_rules_release(&base);
	lxe_rules_release(&tight);
	cr_assert_eq(lxe_rules_builtin(&base, "unconfined", &who), 0);
	cr_assert_eq(lxe_rules_tighten(&tight, &base, &used), 0);
	cr_assert_eq(tight.default_action, SECCOMP_RET_ERRNO | ENOSYS);
	cr_assert(has_rule(&tight, "mount", SECCOMP_RET_ALLOW, 0));
	cr_assert_eq(tight.n, 1);
	lxe_rules_release(&base);
	lxe_rules_release(&tight);
	lxe_strv_release(&used);
}
