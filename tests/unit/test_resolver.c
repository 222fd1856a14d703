#include "network/resolver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UP "203.0.113.53"

struct made {
	struct lxe_net_spec spec;
	struct lxe_strv upstream;
	struct lxe_resolver_in in;
	struct lxe_resolver_plan plan;
	char *sets;
};

static void add_words(struct lxe_strv *list, const char *words)
{
	char copy[1024], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		lxe_strv_add(list, w);
}

static void prepare(struct made *m, enum lxe_net_mode mode, const char *allow, const char *deny)
{
	*m = (struct made){ .spec.mode = mode };
	add_words(&m->spec.allow, allow);
	add_words(&m->spec.deny, deny);
	lxe_strv_add(&m->upstream, UP);
	m->in = (struct lxe_resolver_in){
		.spec = &m->spec,
		.id8 = "0123abcd",
		.listen = "10.213.0.1",
		.upstream = &m->upstream,
	};
}

static void plan(struct made *m)
{
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_resolver_plan(&m->plan, &m->in, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_resolver_sets(&m->sets, &m->in, &err), 0, "%s", err.msg);
}

static void release(struct made *m)
{
	lxe_resolver_plan_release(&m->plan);
	free(m->sets);
	lxe_strv_release(&m->upstream);
	lxe_strv_release(&m->spec.allow);
	lxe_strv_release(&m->spec.deny);
}

/* The lines that begin with any of the words, each followed by '\n'. */
static const char *lines(const char *text, const char *words)
{
	static char out[16384];
	const char *end;
	size_t len = 0;

	for (; *text; text = end + 1) {
		char word[32];

		end = strchrnul(text, '\n');
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, "="), text);
		if (strstr(words, word))
			len += (size_t)snprintf(
				out + len, sizeof(out) - len, "%.*s\n", (int)(end - text), text);
		if (!*end)
			break;
	}
	out[len] = '\0';
	return out;
}

static void expect_rules(
	enum lxe_net_mode mode, const char *allow, const char *deny, const char *rules)
{
	struct made m;

	prepare(&m, mode, allow, deny);
	plan(&m);
	cr_expect_eq(m.plan.n, 1);
	cr_expect_str_eq(
		lines(m.plan.config[0], "server address ipset"), rules, "%s", m.plan.config[0]);
	release(&m);
}

Test(resolver, is_told_all_of_it)
{
	struct made m;

	prepare(&m, LXE_NET_FILTERED, "tcp://example.com:443 10.0.0.0/8 192.168.0.0/16", "");
	plan(&m);
	cr_expect_str_eq(m.plan.config[0], "bind-interfaces\n"
					   "listen-address=10.213.0.1\n"
					   "no-resolv\n"
					   "no-hosts\n"
					   "no-poll\n"
					   "pid-file=\n"
					   "log-facility=-\n"
					   "cache-size=0\n"
					   "max-ttl=60\n"
					   "log-queries=extra\n"
					   "filter-AAAA\n"
					   "address=/#/\n"
					   "server=/example.com/" UP "\n"
					   "address=/*.example.com/\n"
					   "ipset=/example.com/LXE-0123abcd-a0-4\n"
					   "bogus-nxdomain=0.0.0.0/8\n"
					   "bogus-nxdomain=127.0.0.0/8\n"
					   "bogus-nxdomain=169.254.0.0/16\n"
					   "bogus-nxdomain=224.0.0.0/4\n"
					   "bogus-nxdomain=240.0.0.0/4\n"
					   "bogus-nxdomain=100.64.0.0/10\n"
					   "bogus-nxdomain=172.16.0.0/12\n"
					   "bogus-nxdomain=192.0.0.0/24\n"
					   "bogus-nxdomain=198.18.0.0/15\n"
					   "port=53\n");
	cr_expect_str_eq(m.sets, "create LXE-0123abcd-a0-4 hash:ip family inet hashsize 64 maxelem "
				 "65536 timeout 600 forceadd\n");
	release(&m);
}

Test(resolver, an_exact_name_refuses_those_below_it)
{
	expect_rules(LXE_NET_FILTERED, "a.example b.example:80", "",
		"address=/#/\n"
		"server=/a.example/" UP "\naddress=/*.a.example/\n"
		"server=/b.example/" UP "\naddress=/*.b.example/\n"
		"ipset=/a.example/LXE-0123abcd-a0-4\n"
		"ipset=/b.example/LXE-0123abcd-a1-4\n");
}

Test(resolver, rules_with_the_same_ports_share_a_set)
{
	struct made m;

	prepare(&m, LXE_NET_FILTERED, "tcp://a.example:1 tcp://b.example:2 tcp://c.example:1",
		"a.example");
	plan(&m);
	cr_expect_str_eq(lines(m.plan.config[0], "ipset"),
		"ipset=/a.example/LXE-0123abcd-a0-4,LXE-0123abcd-d0-4\n"
		"ipset=/b.example/LXE-0123abcd-a1-4\n"
		"ipset=/c.example/LXE-0123abcd-a0-4\n");
	cr_expect_null(strstr(m.sets, "a2-4"));
	release(&m);
}

Test(resolver, a_wildcard_refuses_the_name_itself)
{
	expect_rules(LXE_NET_FILTERED, "*.a.example", "",
		"address=/#/\nserver=/*.a.example/" UP "\nipset=/a.example/LXE-0123abcd-a0-4\n");
}

Test(resolver, a_name_below_a_wildcard_is_in_their_set)
{
	expect_rules(LXE_NET_FILTERED, "*.example x.example", "",
		"address=/#/\n"
		"server=/*.example/" UP "\n"
		"server=/x.example/" UP "\nserver=/*.x.example/" UP "\n"
		"ipset=/example/LXE-0123abcd-a0-4\n"
		"ipset=/x.example/LXE-0123abcd-a0-4\n");
}

Test(resolver, two_rules_for_one_name_have_a_set_each)
{
	expect_rules(LXE_NET_FILTERED, "tcp://x.example:443 tcp://x.example:22", "",
		"address=/#/\nserver=/x.example/" UP "\naddress=/*.x.example/\n"
		"ipset=/x.example/LXE-0123abcd-a0-4,LXE-0123abcd-a1-4\n");
}

Test(resolver, what_is_denied_is_denied_with_what_is_below_it)
{
	expect_rules(LXE_NET_FILTERED, "*.example", "bad.example",
		"address=/#/\n"
		"server=/bad.example/" UP "\nserver=/*.bad.example/" UP "\n"
		"server=/*.example/" UP "\n"
		"ipset=/bad.example/LXE-0123abcd-d0-4,LXE-0123abcd-a0-4\n"
		"ipset=/example/LXE-0123abcd-a0-4\n");
}

Test(resolver, in_an_open_network_every_name_is_answered)
{
	expect_rules(LXE_NET_OPEN, "", "bad.example 203.0.113.0/24",
		"server=" UP "\nipset=/bad.example/LXE-0123abcd-d0-4\n");
}

Test(resolver, has_sets_of_both_families_where_there_is_ipv6)
{
	struct made m;

	prepare(&m, LXE_NET_FILTERED, "a.example", "");
	m.in.v6 = true;
	plan(&m);
	cr_expect_str_eq(lines(m.plan.config[0], "ipset filter-AAAA"),
		"ipset=/a.example/LXE-0123abcd-a0-4,LXE-0123abcd-a0-6\n");
	cr_expect_not_null(strstr(m.plan.config[0], "bogus-nxdomain=fc00::/7\n"));
	cr_expect_not_null(strstr(m.sets, "create LXE-0123abcd-a0-6 hash:ip family inet6 "));
	release(&m);
}

Test(resolver, what_was_denied_stays_so)
{
	struct made m;

	prepare(&m, LXE_NET_OPEN, "", "bad.example");
	plan(&m);
	cr_expect_str_eq(m.sets, "create LXE-0123abcd-d0-4 hash:ip family inet hashsize 64 maxelem "
				 "65536 timeout 0\n");
	release(&m);
}

Test(resolver, where_a_name_and_those_below_it_differ_two_more_keep_them_apart)
{
	struct made m;

	prepare(&m, LXE_NET_FILTERED, "tcp://git.example:22 *.example:443 *.git.example:443", "");
	plan(&m);
	cr_assert_eq(m.plan.n, 3);
	cr_expect_str_eq(lines(m.plan.config[0], "port server address ipset"),
		"address=/#/\n"
		"server=/*.example/127.213.0.1#5302\n"
		"server=/git.example/127.213.0.1#5301\n"
		"server=/*.git.example/127.213.0.1#5302\n"
		"port=53\n");
	cr_expect_str_eq(lines(m.plan.config[1], "port server address ipset"),
		"server=" UP "\n"
		"ipset=/git.example/LXE-0123abcd-a0-4,LXE-0123abcd-a1-4\n"
		"port=5301\n");
	cr_expect_not_null(strstr(m.plan.config[0], "listen-address=10.213.0.1\n"));
	cr_expect_not_null(strstr(m.plan.config[1], "listen-address=127.213.0.1\n"));
	cr_expect_not_null(strstr(m.plan.config[2], "listen-address=127.213.0.1\n"));
	cr_expect_str_eq(lines(m.plan.config[2], "port server address ipset"),
		"server=" UP "\n"
		"ipset=/example/LXE-0123abcd-a1-4\n"
		"ipset=/git.example/LXE-0123abcd-a1-4\n"
		"port=5302\n");
	release(&m);
}

Test(resolver, what_was_looked_up_is_in_its_set_for_good)
{
	const struct lxe_resolver_known known[] = {
		{ true, 0, { LXE_NET_V4, 32, { 203, 0, 113, 9 } } },
		{ true, 0, { LXE_NET_V6, 128, { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 } } },
	};
	struct made m;

	prepare(&m, LXE_NET_OPEN, "", "bad.example");
	m.in.known = known;
	m.in.n_known = 2;
	plan(&m);
	cr_expect_not_null(strstr(m.sets, "\nadd LXE-0123abcd-d0-4 203.0.113.9 timeout 0\n"));
	cr_expect_null(strstr(m.sets, "2001"));
	free(m.sets);
	lxe_resolver_plan_release(&m.plan);
	m.in.v6 = true;
	plan(&m);
	cr_expect_not_null(strstr(m.sets, "\nadd LXE-0123abcd-d0-6 2001:db8::9 timeout 0\n"));
	release(&m);
}

Test(resolver, more_rules_for_a_name_than_a_line_holds_are_an_error)
{
	struct lxe_err err = { 0 };
	struct made m;
	char rule[64];

	prepare(&m, LXE_NET_FILTERED, "", "");
	for (int i = 1; i <= 64; i++) {
		snprintf(rule, sizeof(rule), "tcp://x.example:%d", i);
		lxe_strv_add(&m.spec.allow, rule);
	}
	cr_expect_eq(lxe_resolver_plan(&m.plan, &m.in, &err), -E2BIG);
	cr_expect_str_eq(err.msg, "name 'x.example': too many rules for one name");
	cr_expect_neq(err.hint[0], '\0');
	release(&m);
}

static int count(enum lxe_net_mode mode, const char *allow, const char *deny, const char *servers)
{
	struct lxe_strv list = { 0 };
	struct made m;
	int r;

	prepare(&m, mode, allow, deny);
	m.spec.proxy = "http://proxy.example:3128";
	add_words(&list, servers);
	r = lxe_resolver_count(&m.spec, &list);
	lxe_strv_release(&list);
	release(&m);
	return r;
}

Test(resolver, is_there_for_names_only)
{
	cr_expect_eq(count(LXE_NET_FILTERED, "10.0.0.0/8 tcp://*:443", "203.0.113.1", UP), 0);
	cr_expect_eq(count(LXE_NET_FILTERED, "10.0.0.0/8", "*.example", UP), 1);
	cr_expect_eq(count(LXE_NET_FILTERED, "x.example:1 *.example:2", "", UP), 3);
	cr_expect_eq(count(LXE_NET_NONE, "", "*.example", UP), 0);
	cr_expect_eq(count(LXE_NET_OPEN, "", "", UP), 0);
	cr_expect_eq(count(LXE_NET_OPEN, "", "x.example:1", UP), 1);
}

Test(resolver, is_there_where_nobody_else_can_be_asked)
{
	cr_expect_eq(count(LXE_NET_OPEN, "", "", "127.0.0.53"), 1);
	cr_expect_eq(count(LXE_NET_OPEN, "", "", ""), 1);
	cr_expect_eq(count(LXE_NET_OPEN, "", "", "127.0.0.53 " UP), 0);
	cr_expect_eq(count(LXE_NET_FILTERED, "", "", "127.0.0.53"), 0);
}

Test(resolver, ten_thousand_names_are_no_matter)
{
	struct made m;
	char rule[64];

	prepare(&m, LXE_NET_FILTERED, "", "");
	for (int i = 0; i < 10000; i++) {
		snprintf(rule, sizeof(rule), "tcp://%s%d.a.b.example:443", i % 2 ? "*.n" : "n", i);
		lxe_strv_add(&m.spec.allow, rule);
	}
	plan(&m);
	cr_expect_eq(m.plan.n, 1);
	cr_expect_not_null(
		strstr(m.plan.config[0], "ipset=/n9999.a.b.example/LXE-0123abcd-a0-4\n"));
	release(&m);
}
