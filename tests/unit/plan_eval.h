/*
 * What a kernel would do with a packet under the rules of a text for iptables-restore: as much of it as
 * plans use, and a word that is not known fails the test.
 */
#ifndef LXE_TESTS_PLAN_EVAL_H
#define LXE_TESTS_PLAN_EVAL_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/net_rule.h"

#define EVAL_RULES 4096
#define EVAL_WORDS 48

enum eval_verdict { EVAL_NONE, EVAL_ACCEPT, EVAL_DROP, EVAL_REJECT };

struct eval_packet {
	const char *hook, *in, *out;
	struct lxe_net_addr src, dst;
	const char *proto; /* tcp, udp, icmp, ipv6-icmp, 47 */
	unsigned int dport, icmp_type, hl, orig_dport;
	const char *state; /* NEW, ESTABLISHED, RELATED, INVALID */
	struct lxe_net_addr orig_src,
		reply_src; /* of the connection that it is, or is related to */
	bool dnat;
	const char *type; /* of the destination: UNICAST, LOCAL, ... */
	bool (*in_set)(const char *set, const struct eval_packet *p);
};

struct eval_rule {
	char *chain;
	char *line, *words[EVAL_WORDS];
	size_t n;
};

/* One table. */
struct eval {
	struct eval_rule rules[EVAL_RULES];
	size_t n;
	bool logged;
};

static inline void eval_split(struct eval_rule *rule)
{
	char *save = NULL;

	for (char *word = strtok_r(rule->line, " ", &save); word;
		word = strtok_r(NULL, " ", &save)) {
		cr_assert_lt(rule->n, EVAL_WORDS);
		rule->words[rule->n++] = word;
	}
}

/* A rule that is inserted stands before those of its chain that are there. */
static inline void eval_add(struct eval *e, const char *line, size_t len)
{
	struct eval_rule rule = { .line = strndup(line, len) };
	size_t at = e->n;

	eval_split(&rule);
	rule.chain = rule.words[1];
	if (strcmp(rule.words[0], "-I") == 0)
		at = 0;
	cr_assert_lt(e->n, EVAL_RULES);
	memmove(&e->rules[at + 1], &e->rules[at], (e->n - at) * sizeof(rule));
	e->rules[at] = rule;
	e->n++;
}

static inline struct eval *eval_new(const char *text, const char *table)
{
	struct eval *e = calloc(1, sizeof(*e));
	bool mine = false;

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		if (line[0] == '*')
			mine = strlen(table) == len - 1 && strncmp(line + 1, table, len - 1) == 0;
		else if (mine && line[0] == '-')
			eval_add(e, line, len);
	}
	return e;
}

static inline void eval_free(struct eval *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->rules[i].line);
	free(e);
}

static inline bool eval_dev(const char *pattern, const char *dev)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '+')
		return strncmp(dev, pattern, len - 1) == 0;
	return strcmp(dev, pattern) == 0;
}

static inline bool eval_net(const char *text, const struct lxe_net_addr *addr)
{
	struct lxe_net_addr net;

	cr_assert_eq(lxe_net_addr_parse(&net, text, NULL), 0, "%s", text);
	return lxe_net_addr_covers(&net, addr);
}

static inline bool eval_in_list(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ','))
		if (strcspn(list, ",") == len && strncmp(list, word, len) == 0)
			return true;
	return false;
}

static inline bool eval_ports(const char *list, unsigned int port)
{
	int slots = 0;
	bool found = false;

	while (*list) {
		char *end;
		unsigned long lo = strtoul(list, &end, 10), hi = lo;

		slots++;
		if (*end == ':') {
			hi = strtoul(end + 1, &end, 10);
			slots++;
		}
		found = found || (port >= lo && port <= hi);
		list = *end ? end + 1 : end;
	}
	cr_assert_leq(slots, 15, "more ports than xt_multiport takes");
	return found;
}

static inline bool eval_state(const char *list, const struct eval_packet *p)
{
	return eval_in_list(list, p->state) || (p->dnat && eval_in_list(list, "DNAT"));
}

/* One match with its value. */
static inline bool eval_match(const char *name, const char *v, const struct eval_packet *p)
{
	if (strcmp(name, "-i") == 0)
		return eval_dev(v, p->in);
	if (strcmp(name, "-o") == 0)
		return eval_dev(v, p->out);
	if (strcmp(name, "-s") == 0)
		return eval_net(v, &p->src);
	if (strcmp(name, "-d") == 0)
		return eval_net(v, &p->dst);
	if (strcmp(name, "-p") == 0)
		return strcmp(v, p->proto) == 0;
	if (strcmp(name, "--dport") == 0 || strcmp(name, "--dports") == 0)
		return eval_ports(v, p->dport);
	if (strcmp(name, "--ctstate") == 0)
		return eval_state(v, p);
	if (strcmp(name, "--ctorigdstport") == 0)
		return eval_ports(v, p->orig_dport);
	if (strcmp(name, "--ctorigsrc") == 0)
		return eval_net(v, &p->orig_src);
	if (strcmp(name, "--ctreplsrc") == 0)
		return eval_net(v, &p->reply_src);
	if (strcmp(name, "--dst-type") == 0)
		return eval_in_list(v, p->type);
	if (strcmp(name, "--match-set") == 0)
		return p->in_set(v, p);
	if (strcmp(name, "--icmpv6-type") == 0)
		return eval_ports(v, p->icmp_type);
	if (strcmp(name, "--hl-eq") == 0)
		return eval_ports(v, p->hl);
	cr_assert(strcmp(name, "--limit") == 0 || strcmp(name, "--limit-burst") == 0 ||
			  strncmp(name, "--nflog-", 8) == 0 || strcmp(name, "-m") == 0 ||
			  strcmp(name, "--reject-with") == 0 ||
			  strcmp(name, "--to-destination") == 0,
		"%s is not known", name);
	return true;
}

static inline const char *eval_target(const struct eval_rule *rule, const struct eval_packet *p)
{
	const char *target = NULL;

	for (size_t i = 2; i < rule->n; i++) {
		bool not = strcmp(rule->words[i], "!") == 0;
		const char *name = rule->words[i + (not ? 1 : 0)];

		i += not ? 2 : 1;
		cr_assert_lt(i, rule->n, "%s has no value", name);
		if (strcmp(name, "-j") == 0)
			target = rule->words[i];
		else if (eval_match(name, rule->words[i], p) == not )
			return NULL;
		if (strcmp(name, "--match-set") == 0)
			i++;
	}
	return target;
}

static inline enum eval_verdict eval_chain(
	struct eval *e, const char *chain, const struct eval_packet *p)
{
	enum eval_verdict verdict = EVAL_NONE;

	for (size_t i = 0; i < e->n && verdict == EVAL_NONE; i++) {
		const char *target = NULL;

		if (strcmp(e->rules[i].chain, chain) == 0)
			target = eval_target(&e->rules[i], p);
		if (!target)
			continue;
		if (strcmp(target, "ACCEPT") == 0)
			verdict = EVAL_ACCEPT;
		else if (strcmp(target, "DROP") == 0)
			verdict = EVAL_DROP;
		else if (strcmp(target, "REJECT") == 0)
			verdict = EVAL_REJECT;
		else if (strcmp(target, "NFLOG") == 0)
			e->logged = true;
		else
			verdict = eval_chain(e, target, p);
	}
	return verdict;
}

static inline enum eval_verdict eval_packet(struct eval *e, const struct eval_packet *p)
{
	e->logged = false;
	return eval_chain(e, p->hook, p);
}

#endif
