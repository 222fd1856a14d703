/* Rules written in the container engines' JSON format. See rules.h. */
#include <jansson.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "confine/rules.h"

static const char *action_name(lxe_action action)
{
	if (action == SECCOMP_RET_KILL_PROCESS)
		return "SCMP_ACT_KILL_PROCESS";
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_TRAP:
		return "SCMP_ACT_TRAP";
	case SECCOMP_RET_ERRNO:
		return "SCMP_ACT_ERRNO";
	case SECCOMP_RET_TRACE:
		return "SCMP_ACT_TRACE";
	case SECCOMP_RET_LOG:
		return "SCMP_ACT_LOG";
	case SECCOMP_RET_ALLOW:
		return "SCMP_ACT_ALLOW";
	default:
		return "SCMP_ACT_KILL_THREAD";
	}
}

static bool has_data(lxe_action action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ||
	       (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
}

static json_t *args_json(const struct lxe_rule *rule)
{
	static const char *const ops[] = { "", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ" };
	json_t *list = json_array();

	for (size_t i = 0; i < rule->n_args; i++) {
		const struct lxe_compare *c = &rule->args[i];
		json_t *arg = json_pack("{s:i, s:I, s:I, s:o}", "index", (int)c->index, "value",
			(json_int_t)c->value, "valueTwo", (json_int_t)c->value_two, "op",
			json_sprintf("SCMP_CMP_%s", ops[c->op]));

		json_array_append_new(list, arg);
	}
	return list;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *names_json(const struct lxe_strv *names)
{
	const char **sorted = calloc(names->n + 1, sizeof(*sorted));
	json_t *list = json_array();

	for (size_t i = 0; sorted && i < names->n; i++)
		sorted[i] = names->v[i];
	if (sorted)
		qsort(sorted, names->n, sizeof(*sorted), by_name);
	for (size_t i = 0; sorted && i < names->n; i++)
		json_array_append_new(list, json_string(sorted[i]));
	free(sorted);
	return list;
}

static json_t *rule_json(const struct lxe_rule *rule)
{
	json_t *object = json_object();

	json_object_set_new(object, "names", names_json(&rule->names));
	json_object_set_new(object, "action", json_string(action_name(rule->action)));
	if (has_data(rule->action))
		json_object_set_new(
			object, "errnoRet", json_integer(rule->action & SECCOMP_RET_DATA));
	if (rule->n_args)
		json_object_set_new(object, "args", args_json(rule));
	return object;
}

static json_t *arches_json(unsigned int set)
{
	json_t *list = json_array();

	for (unsigned int i = 0; lxe_arch_name(i); i++)
		if (set & 1U << i)
			json_array_append_new(list, json_string(lxe_arch_name(i)));
	return list;
}

char *lxe_rules_to_json(const struct lxe_rules *rules)
{
	json_t *root = json_object(), *list = json_array();
	char *text = NULL;
	int r = 0;

	/* What cannot be allocated is NULL, which each of these refuses. */
	r |= json_object_set_new(
		root, "defaultAction", json_string(action_name(rules->default_action)));
	if (has_data(rules->default_action))
		r |= json_object_set_new(root, "defaultErrnoRet",
			json_integer(rules->default_action & SECCOMP_RET_DATA));
	r |= json_object_set_new(root, "architectures", arches_json(rules->arches));
	for (size_t i = 0; i < rules->n; i++)
		r |= json_array_append_new(list, rule_json(&rules->rules[i]));
	r |= json_object_set_new(root, "syscalls", list);
	if (r == 0)
		text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (text) {
		size_t len = strlen(text);
		char *ended = realloc(text, len + 2);

		if (!ended) {
			free(text);
			return NULL;
		}
		memcpy(ended + len, "\n", 2);
		text = ended;
	}
	return text;
}
