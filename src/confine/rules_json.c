/* Rules of system calls in the container engines' JSON format. See rules.h. */
#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "confine/calls.h"
#include "confine/json.h"

#define ERRNO_MAX 4095 /* of the kernel */

static const struct {
	const char *name;
	lxe_action action;
} actions[] = {
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* As a number, or, which some profiles have beside it, by its name. */
static int get_errno(struct lxe_json *p, const json_t *object, const char *number, const char *name,
	uint64_t *ret)
{
	const char *text = NULL;
	size_t at;
	int r = lxe_json_string(p, object, name, false, &text), e = 1;

	if (r < 0)
		return r;
	if (text) {
		while (e < ERRNO_MAX &&
			!(strerrorname_np(e) && strcmp(strerrorname_np(e), text) == 0))
			e++;
		at = lxe_json_enter(p, "%s%s", p->place[0] ? "." : "", name);
		if (e == ERRNO_MAX)
			return lxe_json_bad(p, "'%.64s' is not an error", text);
		lxe_json_leave(p, at);
		*ret = (uint64_t)e;
	}
	return lxe_json_number(p, object, number, ERRNO_MAX, false, ret);
}

struct action_keys {
	const char *action, *number, *name;
};

static int get_action(
	struct lxe_json *p, const json_t *object, const struct action_keys *keys, lxe_action *ret)
{
	uint64_t data = EPERM; /* as the engines have it */
	const char *text = NULL;
	size_t i = 0, at;
	int r;

	r = get_errno(p, object, keys->number, keys->name, &data);
	if (r == 0)
		r = lxe_json_string(p, object, keys->action, true, &text);
	if (r < 0 || !text)
		return r;
	while (i < N_ACTIONS && strcmp(actions[i].name, text) != 0)
		i++;
	at = lxe_json_enter(p, "%s%s", p->place[0] ? "." : "", keys->action);
	if (strcmp(text, "SCMP_ACT_NOTIFY") == 0)
		return lxe_json_bad(p, "SCMP_ACT_NOTIFY is not supported: nobody would answer");
	if (i == N_ACTIONS)
		return lxe_json_bad(p, "'%.64s' is not an action", text);
	lxe_json_leave(p, at);
	*ret = actions[i].action;
	if (*ret == SECCOMP_RET_ERRNO || *ret == SECCOMP_RET_TRACE)
		*ret |= (lxe_action)data;
	return 0;
}

static int get_op(struct lxe_json *p, const json_t *object, enum lxe_compare_op *ret)
{
	static const char *const names[] = {
		[LXE_COMPARE_NE] = "SCMP_CMP_NE",
		[LXE_COMPARE_LT] = "SCMP_CMP_LT",
		[LXE_COMPARE_LE] = "SCMP_CMP_LE",
		[LXE_COMPARE_EQ] = "SCMP_CMP_EQ",
		[LXE_COMPARE_GE] = "SCMP_CMP_GE",
		[LXE_COMPARE_GT] = "SCMP_CMP_GT",
		[LXE_COMPARE_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
	};
	const char *text = NULL;
	int r = lxe_json_string(p, object, "op", true, &text);

	if (r < 0 || !text)
		return r;
	for (enum lxe_compare_op op = LXE_COMPARE_NE; op <= LXE_COMPARE_MASKED_EQ; op++) {
		if (strcmp(names[op], text) == 0) {
			*ret = op;
			return 0;
		}
	}
	lxe_json_enter(p, ".op");
	return lxe_json_bad(p, "'%.64s' is not a comparison", text);
}

static int get_arg(struct lxe_json *p, json_t *object, struct lxe_compare *ret)
{
	static const char *const keys[] = { "index", "value", "valueTwo", "op", NULL };
	uint64_t index = 0;
	int r = lxe_json_only(p, object, keys);

	if (r == 0)
		r = lxe_json_number(p, object, "index", LXE_CALL_ARGS - 1, true, &index);
	if (r == 0)
		r = lxe_json_number(p, object, "value", UINT64_MAX, true, &ret->value);
	if (r == 0)
		r = lxe_json_number(p, object, "valueTwo", UINT64_MAX, false, &ret->value_two);
	if (r == 0)
		r = get_op(p, object, &ret->op);
	ret->index = (unsigned int)index;
	return r;
}

struct args {
	struct lxe_compare v[32];
	size_t n;
	bool repeated; /* an index stands twice: each comparison is a rule of its own, as with runc */
};

static int get_args(struct lxe_json *p, const json_t *object, struct args *ret)
{
	const json_t *list = lxe_json_get(object, "args");
	size_t at = lxe_json_enter(p, ".args"), i;
	json_t *value;

	if (list && !json_is_array(list))
		return lxe_json_bad(p, "is not a list");
	if (json_array_size(list) > sizeof(ret->v) / sizeof(ret->v[0]))
		return lxe_json_bad(p, "has too many comparisons");
	json_array_foreach(list, i, value)
	{
		size_t inner = lxe_json_enter(p, "[%zu]", i);
		int r = get_arg(p, value, &ret->v[i]);

		if (r < 0)
			return r;
		for (size_t other = 0; other < i; other++)
			ret->repeated |= ret->v[other].index == ret->v[i].index;
		lxe_json_leave(p, inner);
	}
	ret->n = json_array_size(list);
	lxe_json_leave(p, at);
	return 0;
}

static int add_name(struct lxe_json *p, const char *text, void *names)
{
	if (!lxe_call_is_known(text)) {
		lxe_hint(p->err, "names are those of the kernel's system calls, up to Linux 6.18");
		return lxe_json_bad(p, "'%.64s' is not a system call", text);
	}
	return lxe_strv_add(names, text) < 0 ? lxe_fail(p->err, -ENOMEM, "%s", p->name) : 0;
}

/* `names`, or as older profiles have it the one `name`. */
static int get_names(struct lxe_json *p, const json_t *rule, struct lxe_strv *ret)
{
	const char *one = NULL;
	size_t at;
	int r = lxe_json_each(p, rule, "names", add_name, ret);

	if (r == 0)
		r = lxe_json_string(p, rule, "name", false, &one);
	if (r < 0)
		return r;
	at = lxe_json_enter(p, ".name%s", one ? "" : "s");
	if (one && ret->n)
		return lxe_json_bad(p, "stands beside names");
	if (one)
		r = add_name(p, one, ret);
	else if (!ret->n)
		return lxe_json_bad(p, "there is none");
	if (r == 0)
		lxe_json_leave(p, at);
	return r;
}

static int add_one(struct lxe_json *p, const struct lxe_strv *names, lxe_action action,
	const struct lxe_compare *args, size_t n_args)
{
	struct lxe_rule *rule;
	int r;

	rule = lxe_rules_add(p->rules, action);
	r = rule ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < names->n; i++)
		r = lxe_strv_add(&rule->names, names->v[i]);
	if (r < 0)
		return lxe_fail(p->err, r, "%s", p->name);
	if (n_args)
		memcpy(rule->args, args, n_args * sizeof(*args));
	rule->n_args = n_args;
	return 0;
}

static int add_rule(struct lxe_json *p, const json_t *object, const struct lxe_strv *names)
{
	static const struct action_keys action_keys = { "action", "errnoRet", "errno" };
	struct args args = { 0 };
	lxe_action action = 0;
	int r = get_action(p, object, &action_keys, &action), holds;

	if (r == 0)
		r = get_args(p, object, &args);
	holds = r < 0 ? r : lxe_json_applies(p, object);
	if (holds <= 0)
		return holds;
	if (!args.repeated)
		return add_one(p, names, action, args.v, args.n);
	for (size_t i = 0; r == 0 && i < args.n; i++)
		r = add_one(p, names, action, &args.v[i], 1);
	return r;
}

static int get_rule(struct lxe_json *p, json_t *object)
{
	static const char *const keys[] = { "names", "name", "action", "errnoRet", "errno", "args",
		"comment", "includes", "excludes", NULL };
	struct lxe_strv names = { 0 };
	int r = lxe_json_only(p, object, keys);

	if (r == 0)
		r = get_names(p, object, &names);
	if (r == 0)
		r = add_rule(p, object, &names);
	lxe_strv_release(&names);
	return r;
}

static int add_arch(struct lxe_json *p, const char *text, void *arg)
{
	unsigned int *set = arg;

	if (!lxe_starts_with(text, "SCMP_ARCH_"))
		return lxe_json_bad(p, "'%.64s' is not an architecture", text);
	for (unsigned int i = 0; lxe_arch_name(i); i++)
		if (strcmp(lxe_arch_name(i), text) == 0)
			*set |= 1U << i;
	return 0;
}

/* Of the map only the entry of this machine counts, and with it what stands below it. */
static int get_arch_map(struct lxe_json *p, const json_t *object, unsigned int *ret)
{
	static const char *const keys[] = { "architecture", "subArchitectures", NULL };
	const json_t *list = lxe_json_get(object, "archMap");
	size_t at = lxe_json_enter(p, "archMap"), i;
	json_t *value;

	if (list && !json_is_array(list))
		return lxe_json_bad(p, "is not a list");
	json_array_foreach(list, i, value)
	{
		size_t inner = lxe_json_enter(p, "[%zu]", i);
		unsigned int own = 0, below = 0;
		const char *text = NULL;
		int r = lxe_json_only(p, value, keys);

		if (r == 0)
			r = lxe_json_string(p, value, "architecture", true, &text);
		if (r == 0)
			r = add_arch(p, text, &own);
		if (r == 0)
			r = lxe_json_each(p, value, "subArchitectures", add_arch, &below);
		if (r < 0)
			return r;
		if (own & 1U << LXE_ARCH_NATIVE)
			*ret |= own | below;
		lxe_json_leave(p, inner);
	}
	lxe_json_leave(p, at);
	return 0;
}

static int get_arches(struct lxe_json *p, const json_t *object)
{
	unsigned int set = 0;
	int r;

	if (lxe_json_get(object, "archMap") &&
		json_array_size(lxe_json_get(object, "architectures")))
		return lxe_json_bad(p, "architectures and archMap stand beside each other");
	r = get_arch_map(p, object, &set);
	if (r == 0)
		r = lxe_json_each(p, object, "architectures", add_arch, &set);
	/* The machine's own is always among them: nothing could run without. */
	p->rules->arches = set ? set | 1U << LXE_ARCH_NATIVE : LXE_ARCH_ALL;
	return r;
}

static int get_rules(struct lxe_json *p, json_t *root)
{
	static const char *const keys[] = { "defaultAction", "defaultErrnoRet", "defaultErrno",
		"archMap", "architectures", "syscalls", "flags", "comment", NULL };
	static const struct action_keys action_keys = { "defaultAction", "defaultErrnoRet",
		"defaultErrno" };
	const json_t *list;
	json_t *value;
	size_t i;
	int r = lxe_json_only(p, root, keys);

	if (r == 0)
		r = get_action(p, root, &action_keys, &p->rules->default_action);
	if (r == 0)
		r = get_arches(p, root);
	if (r < 0)
		return r;
	list = lxe_json_get(root, "syscalls");
	lxe_json_enter(p, "syscalls");
	if (list && !json_is_array(list))
		return lxe_json_bad(p, "is not a list");
	json_array_foreach(list, i, value)
	{
		size_t at = lxe_json_enter(p, "[%zu]", i);

		r = get_rule(p, value);
		if (r < 0)
			return r;
		lxe_json_leave(p, at);
	}
	return 0;
}

int lxe_rules_from_json(struct lxe_rules *ret, const char *name, const char *text, size_t len,
	const struct lxe_rules_for *who, struct lxe_err *err)
{
	struct lxe_rules rules = { 0 };
	struct lxe_json p = { .name = name, .who = who, .rules = &rules, .err = err };
	json_error_t error = { 0 };
	json_t *root;
	int r;

	if (len > LXE_RULES_TEXT_MAX)
		return lxe_json_bad(&p, "is larger than %d KiB", LXE_RULES_TEXT_MAX / 1024);
	root = lxe_json_load(text, len, &error);
	if (!root)
		return lxe_fail_msg(
			err, -EINVAL, "%s:%d:%d: %s", name, error.line, error.column, error.text);
	r = get_rules(&p, root);
	json_decref(root);
	if (r < 0) {
		lxe_rules_release(&rules);
		return r;
	}
	*ret = rules;
	return 0;
}
