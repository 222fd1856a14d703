#include "network/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/names.h"
#include "network/plan.h"
#include "network/rebind.h"
#include "network/resolvconf.h"

/* dnsmasq reads lines of at most 1024 bytes, and takes the rest of a longer one for the next. */
#define LINE_BYTES 1000

/* Addresses in an ipset; when there are more, others go. */
#define SET_SIZE 65536

/*
 * The two that hear only from the first are on the host's loopback, where no rule leads: on the gateway's
 * address with 127 as its first number, so that each sandbox has its own.
 */
#define PORT 53
#define PORT_SELF 5301
#define PORT_BELOW 5302

enum role {
	WHOLE, /* all there is */
	FRONT, /* decides who is asked, and fills no set */
	SELF,  /* is asked for names that are in a rule themselves */
	BELOW, /* is asked for those that are below one */
};

struct text {
	const struct lxe_resolver_in *in;
	struct lxe_names names;
	enum role role;
	FILE *out;
	struct lxe_err *err;
};

static void put_upstream(const struct text *t, const char *domain)
{
	for (size_t i = 0; i < t->in->upstream->n; i++)
		fprintf(t->out, "server=%s%s\n", domain, t->in->upstream->v[i]);
}

/* `which` is a name as dnsmasq has it, to be answered by whoever knows that part of the names. */
static void put_server(const struct text *t, const char *which, enum lxe_name_part part)
{
	char domain[LXE_NET_NAME_MAX + 5];

	snprintf(domain, sizeof(domain), "/%s/", which);
	if (t->role == WHOLE)
		put_upstream(t, domain);
	else
		fprintf(t->out, "server=%s127%s#%d\n", domain, strchr(t->in->listen, '.'),
			part == LXE_NAME_SELF ? PORT_SELF : PORT_BELOW);
}

/* To dnsmasq NAME is the name and all below it, and *.NAME all below it; the longest that fits counts. */
static void put_name(const struct text *t, const char *name)
{
	char below[LXE_NET_NAME_MAX + 3];

	snprintf(below, sizeof(below), "*.%s", name);
	if (lxe_names_allow(&t->names, name, LXE_NAME_SELF))
		put_server(t, name, LXE_NAME_SELF);
	if (lxe_names_allow(&t->names, name, LXE_NAME_BELOW))
		put_server(t, below, LXE_NAME_BELOW);
	else if (lxe_names_allow(&t->names, name, LXE_NAME_SELF))
		fprintf(t->out, "address=/%s/\n", below);
}

static void put_answers(const struct text *t)
{
	if (t->in->spec->mode == LXE_NET_OPEN || t->role == SELF || t->role == BELOW) {
		put_upstream(t, "");
		return;
	}
	fputs("address=/#/\n", t->out);
	for (size_t i = 0; i < t->names.n; i++)
		if (lxe_names_is_first(&t->names, i))
			put_name(t, t->names.rules[i].rule->name);
}

static int add_set(const struct text *t, char *line, size_t *len, const struct lxe_name_rule *rule)
{
	char set[LXE_NET_SET_NAME];
	enum lxe_net_family last = t->in->v6 ? LXE_NET_V6 : LXE_NET_V4;

	for (enum lxe_net_family f = LXE_NET_V4; f <= last; f++) {
		lxe_net_set_name(set, t->in->id8, rule->deny, rule->set, f);
		/* Their names end in the family: none is the beginning of another. */
		if (strstr(line, set))
			continue;
		if (lxe_format(line + *len, LINE_BYTES - *len, "%c%s", *len ? ',' : '/', set) < 0)
			return -E2BIG;
		*len += strlen(line + *len);
	}
	return 0;
}

/* dnsmasq takes the line with the longest name that the question ends in, and that line alone. */
static int put_sets_of(const struct text *t, const char *name)
{
	enum lxe_name_part part = t->role == SELF    ? LXE_NAME_SELF
				  : t->role == BELOW ? LXE_NAME_BELOW
						     : LXE_NAME_EITHER;
	struct lxe_name_walk w = { .name = name };
	const struct lxe_name_rule *rule;
	char line[LINE_BYTES] = "";
	size_t len = 0;
	int r = 0;

	while (r == 0 && (rule = lxe_names_next(&t->names, &w)))
		if (lxe_name_counts(rule, &w, part))
			r = add_set(t, line, &len, rule);
	if (r == 0 && len + strlen(name) + sizeof("ipset=/") > LINE_BYTES)
		r = -E2BIG;
	if (r < 0) {
		lxe_fail_msg(t->err, r, "name '%s': too many rules for one name", name);
		lxe_hint(t->err, "write one rule with all of its ports: HOST:80,443,8000-8010");
		return r;
	}
	if (len > 0)
		fprintf(t->out, "ipset=/%s%s\n", name, line);
	return 0;
}

static int put_sets(const struct text *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->names.n; i++)
		if (lxe_names_is_first(&t->names, i))
			r = put_sets_of(t, t->names.rules[i].rule->name);
	return r;
}

static void put_refused(void *arg, const struct lxe_net_addr *net)
{
	const struct text *t = arg;
	char addr[LXE_NET_ADDR_TEXT];

	if (net->family == LXE_NET_V6 && !t->in->v6)
		return;
	lxe_net_addr_format(net, addr);
	fprintf(t->out, "bogus-nxdomain=%s\n", addr);
}

static int put_ranges(struct text *t)
{
	const struct lxe_rebind_in rebind = {
		.mode = t->in->spec->mode,
		.allowed = t->names.allowed,
		.n_allowed = t->names.n_allowed,
		.shielded = t->in->shielded,
		.n_shielded = t->in->n_shielded,
	};

	return lxe_rebind_ranges(&rebind, put_refused, t);
}

static int put_config(struct text *t)
{
	bool asked = t->role == WHOLE || t->role == FRONT;
	int port = asked ? PORT : t->role == SELF ? PORT_SELF : PORT_BELOW;
	int r = 0;

	fprintf(t->out,
		"bind-interfaces\n"
		"listen-address=%s%s\n"
		"no-resolv\n"
		"no-hosts\n"
		"no-poll\n"
		"pid-file=\n"
		"log-facility=-\n"
		"cache-size=0\n"
		"max-ttl=%d\n",
		asked ? "" : "127", asked ? t->in->listen : strchr(t->in->listen, '.'),
		LXE_RESOLVER_TTL_S);
	if (asked)
		fputs("log-queries=extra\n", t->out);
	if (!t->in->v6)
		fputs("filter-AAAA\n", t->out);
	put_answers(t);
	if (t->role != FRONT)
		r = put_sets(t);
	if (r == 0 && t->role != FRONT)
		r = put_ranges(t);
	/* What comes before has been read then (keeper/resolver.c). */
	fprintf(t->out, "port=%d\n", port);
	return r;
}

/* What `put` writes, as a text. */
static int as_text(char **ret, struct text *t, int (*put)(struct text *t))
{
	char *text = NULL;
	size_t len = 0;
	int r;

	t->out = open_memstream(&text, &len);
	if (!t->out)
		return lxe_fail(t->err, -ENOMEM, "configure the resolver");
	r = put(t);
	if (fclose(t->out) != 0 && r == 0)
		r = lxe_fail(t->err, -ENOMEM, "configure the resolver");
	if (r < 0) {
		free(text);
		return r;
	}
	*ret = text;
	return 0;
}

static int text_init(struct text *t, const struct lxe_resolver_in *in, struct lxe_err *err)
{
	int r;

	*t = (struct text){ .in = in, .err = err };
	r = lxe_names_init(&t->names, in->spec);
	return r < 0 ? lxe_fail(err, r, "read the rules of the network") : 0;
}

int lxe_resolver_plan(
	struct lxe_resolver_plan *ret, const struct lxe_resolver_in *in, struct lxe_err *err)
{
	static const enum role three[LXE_RESOLVERS_MAX] = { FRONT, SELF, BELOW };
	struct lxe_resolver_plan plan = { .n = 1 };
	struct text t;
	int r = text_init(&t, in, err);

	if (r < 0)
		return r;
	if (in->spec->mode == LXE_NET_FILTERED && !lxe_names_are_plain(&t.names))
		plan.n = LXE_RESOLVERS_MAX;
	for (size_t i = 0; r == 0 && i < plan.n; i++) {
		t.role = plan.n == 1 ? WHOLE : three[i];
		r = as_text(&plan.config[i], &t, put_config);
	}
	lxe_names_release(&t.names);
	if (r < 0) {
		lxe_resolver_plan_release(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

void lxe_resolver_plan_release(struct lxe_resolver_plan *plan)
{
	for (size_t i = 0; i < LXE_RESOLVERS_MAX; i++)
		free(plan->config[i]);
	*plan = (struct lxe_resolver_plan){ 0 };
}

static int put_creates(struct text *t)
{
	enum lxe_net_family last = t->in->v6 ? LXE_NET_V6 : LXE_NET_V4;
	char set[LXE_NET_SET_NAME];

	for (size_t i = 0; i < t->names.n; i++) {
		const struct lxe_name_rule *rule = &t->names.rules[i];

		if (rule->set != rule->index)
			continue;
		for (enum lxe_net_family f = LXE_NET_V4; f <= last; f++) {
			lxe_net_set_name(set, t->in->id8, rule->deny, rule->set, f);
			/* What was once denied stays so, and makes no room for what comes later. */
			fprintf(t->out,
				"create %s hash:ip family %s hashsize 64 maxelem %d timeout %d%s\n",
				set, f == LXE_NET_V4 ? "inet" : "inet6", SET_SIZE,
				rule->deny ? 0 : LXE_RESOLVER_STAYS_S,
				rule->deny ? "" : " forceadd");
		}
	}
	for (size_t i = 0; i < t->in->n_known; i++) {
		const struct lxe_resolver_known *k = &t->in->known[i];
		char addr[LXE_NET_ADDR_TEXT];

		if (k->addr.family > last)
			continue;
		lxe_net_set_name(set, t->in->id8, k->deny, k->set, k->addr.family);
		lxe_net_addr_format(&k->addr, addr);
		fprintf(t->out, "add %s %s timeout 0\n", set, addr);
	}
	return 0;
}

int lxe_resolver_sets(char **ret, const struct lxe_resolver_in *in, struct lxe_err *err)
{
	struct text t;
	int r = text_init(&t, in, err);

	if (r < 0)
		return r;
	*ret = NULL;
	if (t.names.n > 0)
		r = as_text(ret, &t, put_creates);
	lxe_names_release(&t.names);
	return r;
}

/* In an open network every name is answered; where the host's own servers can be asked, by them. */
static bool needs_forwarder(const struct lxe_net_spec *spec, const struct lxe_strv *servers)
{
	if (spec->mode != LXE_NET_OPEN)
		return false;
	for (size_t i = 0; i < servers->n; i++)
		if (!lxe_resolvconf_is_local(servers->v[i]))
			return false;
	return true;
}

int lxe_resolver_count(const struct lxe_net_spec *spec, const struct lxe_strv *servers)
{
	struct lxe_net_spec rules = *spec;
	struct lxe_names names;
	int r;

	if (spec->mode == LXE_NET_NONE)
		return 0;
	/* Its name is looked up before anything starts. */
	rules.proxy = NULL;
	r = lxe_names_init(&names, &rules);
	if (r < 0)
		return r;
	if (names.n == 0)
		r = needs_forwarder(spec, servers);
	else
		r = spec->mode == LXE_NET_OPEN || lxe_names_are_plain(&names) ? 1
									      : LXE_RESOLVERS_MAX;
	lxe_names_release(&names);
	return r;
}
