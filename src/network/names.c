#include "network/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "network/plan.h"

static int by_name(const void *a, const void *b)
{
	const struct lxe_name_rule *x = a, *y = b;
	int d = strcmp(x->rule->name, y->rule->name);

	if (d == 0)
		d = (int)x->deny - (int)y->deny;
	if (d == 0)
		d = (int)x->rule->host - (int)y->rule->host;
	return d ? d : (x->index > y->index) - (x->index < y->index);
}

static void add(struct lxe_names *n, const struct lxe_net_rule *rules, size_t count, bool deny)
{
	for (size_t i = 0; i < count; i++)
		if (lxe_net_rule_has_set(&rules[i]))
			n->rules[n->n++] = (struct lxe_name_rule){ &rules[i], deny, i,
				lxe_net_set_of(rules, i) };
}

int lxe_names_init(struct lxe_names *ret, const struct lxe_net_spec *spec)
{
	struct lxe_names n = { 0 };
	int r;

	r = lxe_net_allowed(spec, &n.allowed, &n.n_allowed);
	if (r == 0)
		r = lxe_net_denied(spec, &n.denied, &n.n_denied);
	if (r == 0) {
		n.rules = calloc(n.n_allowed + n.n_denied + 1, sizeof(*n.rules));
		r = n.rules ? 0 : -ENOMEM;
	}
	if (r < 0) {
		lxe_names_release(&n);
		return r;
	}
	add(&n, n.allowed, n.n_allowed, false);
	add(&n, n.denied, n.n_denied, true);
	qsort(n.rules, n.n, sizeof(*n.rules), by_name);
	*ret = n;
	return 0;
}

void lxe_names_release(struct lxe_names *n)
{
	free(n->rules);
	free(n->allowed);
	free(n->denied);
	*n = (struct lxe_names){ 0 };
}

bool lxe_names_is_first(const struct lxe_names *n, size_t i)
{
	return i == 0 || strcmp(n->rules[i - 1].rule->name, n->rules[i].rule->name) != 0;
}

/* The rules of exactly that name. */
static void find(const struct lxe_names *n, struct lxe_name_walk *w)
{
	size_t lo = 0, hi = n->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(n->rules[mid].rule->name, w->name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	w->next = w->end = lo;
	while (w->end < n->n && strcmp(n->rules[w->end].rule->name, w->name) == 0)
		w->end++;
}

const struct lxe_name_rule *lxe_names_next(const struct lxe_names *n, struct lxe_name_walk *w)
{
	if (w->end == 0 && !w->above)
		find(n, w);
	while (w->next == w->end) {
		const char *dot = strchr(w->name, '.');

		if (!dot)
			return NULL;
		w->name = dot + 1;
		w->above = true;
		find(n, w);
	}
	return &n->rules[w->next++];
}

bool lxe_name_counts(
	const struct lxe_name_rule *rule, const struct lxe_name_walk *w, enum lxe_name_part part)
{
	if (rule->deny || (w->above && rule->rule->host == LXE_NET_BELOW))
		return true;
	if (w->above)
		return false;
	switch (part) {
	case LXE_NAME_SELF:
		return rule->rule->host == LXE_NET_NAME;
	case LXE_NAME_BELOW:
		return rule->rule->host == LXE_NET_BELOW;
	case LXE_NAME_EITHER:
		return true;
	}
	return false;
}

bool lxe_names_allow(const struct lxe_names *n, const char *name, enum lxe_name_part part)
{
	struct lxe_name_walk w = { .name = name };
	const struct lxe_name_rule *rule;

	while ((rule = lxe_names_next(n, &w)))
		if (!rule->deny && lxe_name_counts(rule, &w, part))
			return true;
	return false;
}

static bool same_ports(const struct lxe_net_rule *a, const struct lxe_net_rule *b)
{
	return a->proto == b->proto && a->n_ports == b->n_ports &&
	       memcmp(a->ports, b->ports, a->n_ports * sizeof(a->ports[0])) == 0;
}

/* Is what the rule allows allowed to that part of the name as well, or is nothing? */
static bool is_shared(
	const struct lxe_names *n, const struct lxe_name_rule *of, enum lxe_name_part part)
{
	struct lxe_name_walk w = { .name = of->rule->name };
	const struct lxe_name_rule *rule;
	bool any = false;

	while ((rule = lxe_names_next(n, &w))) {
		if (rule->deny || !lxe_name_counts(rule, &w, part))
			continue;
		if (same_ports(rule->rule, of->rule))
			return true;
		any = true;
	}
	return !any;
}

bool lxe_names_are_plain(const struct lxe_names *n)
{
	for (size_t i = 0; i < n->n; i++) {
		const struct lxe_name_rule *rule = &n->rules[i];
		bool self = rule->rule->host == LXE_NET_NAME;

		if (!rule->deny && !is_shared(n, rule, self ? LXE_NAME_BELOW : LXE_NAME_SELF))
			return false;
	}
	return true;
}
