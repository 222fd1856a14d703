#include "network/plan.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plan_eval.h"
#include "random.h"
#include "sys/fd.h"

#define VETH "lxe0123abcd"
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct lxe_net_spec spec;
static struct lxe_net_plan plan;
static struct lxe_net_plan_in in;
static struct lxe_err err;

static void add_all(struct lxe_strv *list, const char *const *texts)
{
	for (; *texts; texts++)
		cr_assert_eq(lxe_strv_add(list, *texts), 0);
}

static void begin(void)
{
	static const struct lxe_net_addr shielded[] = {
		{ LXE_NET_V4, 16, { 10, 213 } },
		{ LXE_NET_V4, 24, { 172, 17 } },
		{ LXE_NET_V6, 64, { 0xfd, 0x00, 0x02, 0x13 } },
	};

	spec = (struct lxe_net_spec){ .mode = LXE_NET_FILTERED };
	err = (struct lxe_err){ 0 };
	in = (struct lxe_net_plan_in){
		.spec = &spec,
		.id8 = "0123abcd",
		.veth = VETH,
		.v6 = true,
		.shielded = shielded,
		.n_shielded = 3,
		.subnets = shielded,
		.n_subnets = 1,
		.nflog_group = 7,
	};
	inet_pton(AF_INET, "10.213.0.2", &in.guest4);
	inet_pton(AF_INET, "10.213.0.1", &in.gateway4);
	inet_pton(AF_INET6, "fd00:213::2", &in.guest6);
	inet_pton(AF_INET6, "fd00:213::1", &in.gateway6);
}

static void end(void)
{
	lxe_net_plan_release(&plan);
	lxe_net_release(&spec);
}

TestSuite(net_plan, .init = begin, .fini = end);

static void make(void)
{
	lxe_net_plan_release(&plan);
	cr_assert_eq(lxe_net_plan(&plan, &in, &err), 0, "%s", err.msg);
}

/* tests/unit/plan/NAME, which LXE_UPDATE=1 writes anew. */
static void is(const char *text, const char *name)
{
	char path[128], *wanted = NULL;
	size_t len = 0;
	FILE *out;
	int fd;

	snprintf(path, sizeof(path), "tests/unit/plan/%s", name);
	if (getenv("LXE_UPDATE")) {
		out = fopen(path, "we");
		cr_assert_not_null(out);
		fputs(text, out);
		fclose(out);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(sys_read_whole(fd, 1 << 20, &wanted, &len), 0);
	close(fd);
	cr_expect_str_eq(text, wanted, "%s is not\n%s", path, text);
	free(wanted);
}

static void are(const char *name)
{
	char file[64];

	make();
	snprintf(file, sizeof(file), "%s.v4", name);
	is(plan.v4, file);
	snprintf(file, sizeof(file), "%s.v6", name);
	is(plan.v6, file);
	snprintf(file, sizeof(file), "%s.undo.v4", name);
	is(plan.undo_v4, file);
	snprintf(file, sizeof(file), "%s.undo.v6", name);
	is(plan.undo_v6, file);
}

Test(net_plan, of_nothing_allowed)
{
	are("nothing");
}

Test(net_plan, of_rules)
{
	add_all(&spec.allow, WORDS("tcp://198.51.100.7:443", "a.example:80-81,90-95,100",
				     "udp://*.b.example:53", "*:5000", "icmp://198.51.100.0/24",
				     "tcp://[2001:db8::/32]:80", "icmp://2001:db8::1",
				     "0.0.0.0/0:9", "198.51.100.9", "udp://198.51.100.10"));
	add_all(&spec.deny, WORDS("198.51.100.8", "c.example", "udp://*"));
	lxe_str_set(&spec.proxy, "http://proxy.example:3128");
	in.dns = true;
	are("rules");
}

Test(net_plan, of_an_open_network_that_publishes)
{
	spec.mode = LXE_NET_OPEN;
	add_all(&spec.allow, WORDS("172.17.0.5:80", "a.example"));
	add_all(&spec.deny, WORDS("203.0.113.0/24"));
	add_all(&spec.publish, WORDS("8080:80/tcp", "127.0.0.1:53:53/udp",
				       "198.51.100.1:22:2222/tcp", "[2001:db8::9]:9:10/tcp"));
	are("open");
}

Test(net_plan, without_ipv6)
{
	in.v6 = false;
	add_all(&spec.publish, WORDS("198.51.100.1:22:2222/tcp"));
	add_all(&spec.allow, WORDS("2001:db8::1"));
	are("v4only");
	cr_assert_not(lxe_net_wants_localnet(&spec));
	add_all(&spec.publish, WORDS("[2001:db8::9]:9:10/tcp"));
	cr_assert_eq(lxe_net_plan(&plan, &in, &err), -EINVAL);
	cr_assert(strstr(err.msg, "has no IPv6"), "%s", err.msg);
}

Test(net_plan, many_ports_are_fifteen_to_a_line)
{
	char text[1024] = "198.51.100.7:";
	size_t len = strlen(text);

	for (int i = 0; i < 40; i++)
		len += (size_t)sprintf(text + len, "%s%d", i ? "," : "", 2 + i * 3);
	for (int i = 0; i < 20; i++)
		len += (size_t)sprintf(text + len, ",%d-%d", 2000 + i * 5, 2002 + i * 5);
	add_all(&spec.allow, WORDS(text));
	are("ports");
}

Test(net_plan, names_that_are_no_words_are_refused)
{
	in.veth = "lxe0123 -j ACCEPT";
	cr_assert_lt(lxe_net_plan(&plan, &in, &err), 0);
	in.veth = VETH;
	in.id8 = "0123abc";
	cr_assert_lt(lxe_net_plan(&plan, &in, &err), 0);
	in.id8 = "0123ab\nd";
	cr_assert_lt(lxe_net_plan(&plan, &in, &err), 0);
	in.id8 = "0123abcd";
	spec.mode = LXE_NET_NONE;
	cr_assert_lt(lxe_net_plan(&plan, &in, &err), 0);
}

/* What undoes names each chain and each jump of what it undoes, and nothing else. */
Test(net_plan, the_undo_takes_back_all_of_it)
{
	static const char *const verbs[][2] = { { "\n-I ", "\n-D " }, { "\n:LXE", "\n-X LXE" } };
	size_t made[2] = { 0 }, taken[2] = { 0 };

	add_all(&spec.publish, WORDS("1:1/tcp"));
	make();
	for (size_t i = 0; i < 2; i++) {
		for (const char *p = plan.v4; (p = strstr(p, verbs[i][0])); p++)
			made[i]++;
		for (const char *p = plan.undo_v4; (p = strstr(p, verbs[i][1])); p++)
			taken[i]++;
		cr_expect_eq(made[i], taken[i]);
		cr_expect_gt(made[i], 0);
	}
}

Test(net_plan, ten_thousand_rules_are_one_text)
{
	char text[64];
	size_t lines = 0;

	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "tcp://198.51.%u.%u:443", i / 250, i % 250);
		lxe_strv_add(&spec.allow, text);
	}
	make();
	for (const char *p = plan.v4; (p = strstr(p, "-j ACCEPT\n")); p++)
		lines++;
	cr_assert_eq(lines, 10000 + 6);
}

/*
 * The model: what the grammar says, rule by rule.
 */
struct model {
	struct lxe_net_rule allow[8], deny[8];
	size_t n_allow, n_deny;
	bool member[2][8]; /* is the packet's destination an address of that name? */
};

static struct model model;

static bool in_set(const char *set, const struct eval_packet *p)
{
	char name[LXE_NET_SET_NAME];

	for (int deny = 0; deny < 2; deny++)
		for (size_t i = 0; i < 8; i++) {
			lxe_net_set_name(name, in.id8, deny, i, p->dst.family);
			if (strcmp(name, set) == 0)
				return model.member[deny][i];
		}
	cr_assert_fail("there is no set %s", set);
	return false;
}

static bool names_host(const struct lxe_net_rule *rule, bool member, const struct eval_packet *p)
{
	switch (rule->host) {
	case LXE_NET_EVERYWHERE:
		return true;
	case LXE_NET_NAME:
	case LXE_NET_BELOW:
		return member;
	case LXE_NET_ADDR:
		break;
	}
	return lxe_net_addr_covers(&rule->addr, &p->dst);
}

static bool names(const struct lxe_net_rule *rule, bool member, const struct eval_packet *p)
{
	bool tcp = strcmp(p->proto, "tcp") == 0, udp = strcmp(p->proto, "udp") == 0;
	bool icmp = strcmp(p->proto, p->dst.family == LXE_NET_V4 ? "icmp" : "ipv6-icmp") == 0;
	bool port = !rule->n_ports;

	if ((rule->proto == LXE_NET_TCP && !tcp) || (rule->proto == LXE_NET_UDP && !udp) ||
		(rule->proto == LXE_NET_ICMP && !icmp))
		return false;
	for (size_t i = 0; i < rule->n_ports; i++)
		port = port || ((tcp || udp) && p->dport >= rule->ports[i].lo &&
				       p->dport <= rule->ports[i].hi);
	return port && names_host(rule, member, p);
}

static bool is_one_of(const char *const *nets, const struct lxe_net_addr *addr)
{
	for (; *nets; nets++)
		if (eval_net(*nets, addr))
			return true;
	return false;
}

static bool is_shielded(const struct eval_packet *p)
{
	return strcmp(p->type, "UNICAST") != 0 ||
	       is_one_of(p->dst.family == LXE_NET_V4
				 ? WORDS("169.254.0.0/16", "100.100.100.200", "168.63.129.16",
					   "192.0.0.0/24", "10.213.0.0/16", "172.17.0.0/24")
				 : WORDS("fe80::/10", "fd00:ec2::254", "fd20:ce::254",
					   "fd00:c1::a9fe:a9fe", "fd00:213::/64"),
		       &p->dst);
}

static enum eval_verdict expected_out(const struct eval_packet *p)
{
	bool v4 = p->dst.family == LXE_NET_V4;
	const char *const *own = v4 ? WORDS("10.213.0.2") : WORDS("fd00:213::2");
	bool related = strcmp(p->state, "RELATED") == 0;

	if (!v4 && strcmp(p->proto, "ipv6-icmp") == 0 && p->hl == 255 &&
		(p->icmp_type == 135 || p->icmp_type == 136))
		return EVAL_ACCEPT;
	if (!is_one_of(own, &p->src))
		return EVAL_DROP;
	if (strcmp(p->state, "ESTABLISHED") == 0)
		return EVAL_ACCEPT;
	if (related)
		return is_one_of(own, &p->orig_src) || is_one_of(own, &p->reply_src) ? EVAL_ACCEPT
										     : EVAL_DROP;
	if (strcmp(p->state, "INVALID") == 0 ||
		is_one_of(v4 ? WORDS("127.0.0.0/8") : WORDS("::1"), &p->dst))
		return EVAL_DROP;
	if (strncmp(p->out, "lxe", 3) == 0)
		return EVAL_REJECT;
	if (in.dns && p->dport == 53 &&
		is_one_of(v4 ? WORDS("10.213.0.1") : WORDS("fd00:213::1"), &p->dst) &&
		(strcmp(p->proto, "tcp") == 0 || strcmp(p->proto, "udp") == 0))
		return EVAL_ACCEPT;
	if (v4 && p->dport == 53 && eval_net("10.213.0.0/16", &p->dst))
		return EVAL_REJECT;
	for (size_t i = 0; i < model.n_deny; i++)
		if (names(&model.deny[i], model.member[1][lxe_net_set_of(model.deny, i)], p))
			return EVAL_REJECT;
	for (size_t i = 0; i < model.n_allow; i++)
		if (model.allow[i].host == LXE_NET_ADDR && model.allow[i].addr.prefix &&
			names(&model.allow[i], false, p))
			return EVAL_ACCEPT;
	if (is_shielded(p))
		return EVAL_REJECT;
	for (size_t i = 0; i < model.n_allow; i++)
		if (names(&model.allow[i], model.member[0][lxe_net_set_of(model.allow, i)], p))
			return EVAL_ACCEPT;
	return spec.mode == LXE_NET_OPEN ? EVAL_ACCEPT : EVAL_REJECT;
}

static const char *pick(uint64_t *state, const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return words[rnd_below(state, n)];
}

static const char *const addresses[] = { "198.51.100.1", "198.51.100.2", "198.51.100.129",
	"203.0.113.5", "169.254.169.254", "10.213.0.1", "10.213.0.6", "172.17.0.2", "127.0.0.1",
	"255.255.255.255", "2001:db8::1", "2001:db8:1::1", "fd00:213::1", "fd00:213::9", "fe80::5",
	"::1", NULL };
static const char *const hosts[] = { "198.51.100.1", "198.51.100.0/25", "198.51.100.0/24",
	"169.254.169.254", "10.213.0.0/16", "172.17.0.2", "0.0.0.0/0", "203.0.113.5", "*",
	"a.example", "*.b.example", "2001:db8::1", "[2001:db8::/32]", "[::/0]", "[fe80::/10]",
	"[fd00:213::9]", "10.213.0.1", NULL };

static void random_rule(uint64_t *state, struct lxe_strv *list, struct lxe_net_rule *rule)
{
	static const char *const protos[] = { "", "", "tcp://", "udp://", "icmp://", NULL };
	static const char *const ports[] = { "", "", ":53", ":1-10,53", ":2,4,6,8", ":1-65535",
		NULL };
	const char *host = pick(state, hosts), *proto = pick(state, protos);
	const char *port = strcmp(proto, "icmp://") == 0 ? "" : pick(state, ports);
	bool bare = strchr(host, ':') && host[0] != '[';
	char text[128];

	snprintf(text, sizeof(text), "%s%s%s%s%s", proto, bare ? "[" : "", host, bare ? "]" : "",
		port);
	cr_assert_eq(lxe_net_rule_parse(rule, text, &err), 0, "%s", err.msg);
	lxe_strv_add(list, text);
}

static void random_model(uint64_t *state)
{
	lxe_net_release(&spec);
	spec.mode = rnd_below(state, 3) ? LXE_NET_FILTERED : LXE_NET_OPEN;
	in.dns = rnd_below(state, 2);
	model.n_allow = rnd_below(state, 6);
	model.n_deny = rnd_below(state, 3);
	for (size_t i = 0; i < model.n_allow; i++)
		random_rule(state, &spec.allow, &model.allow[i]);
	for (size_t i = 0; i < model.n_deny; i++)
		random_rule(state, &spec.deny, &model.deny[i]);
}

static struct eval_packet random_packet(uint64_t *state)
{
	struct eval_packet p = {
		.hook = rnd_below(state, 4) ? "FORWARD" : "INPUT",
		.in = VETH,
		.state = pick(state,
			WORDS("NEW", "NEW", "NEW", "NEW", "ESTABLISHED", "RELATED", "INVALID")),
		.type = pick(state, WORDS("UNICAST", "UNICAST", "UNICAST", "UNICAST", "LOCAL")),
		.dport =
			(unsigned int)pick(state, WORDS("\x01", "\x02", "\x05", "\x35", "\x63"))[0],
		.hl = rnd_below(state, 2) ? 255 : 64,
		.icmp_type = rnd_below(state, 2) ? 135 : 128,
		.in_set = in_set,
	};
	bool v4;

	cr_assert_eq(lxe_net_addr_parse(&p.dst, pick(state, addresses), NULL), 0);
	v4 = p.dst.family == LXE_NET_V4;
	if (p.dst.bytes[0] == 255)
		p.type = "BROADCAST";
	p.proto = pick(state, WORDS("tcp", "tcp", "udp", v4 ? "icmp" : "ipv6-icmp", "47"));
	if (strcmp(p.proto, "tcp") != 0 && strcmp(p.proto, "udp") != 0)
		p.dport = 0;
	p.out = strcmp(p.hook, "INPUT") == 0
			? ""
			: pick(state, WORDS("eth0", "eth0", "eth0", "lxeffff0000"));
	lxe_net_addr_parse(&p.src,
		rnd_below(state, 10) ? (v4 ? "10.213.0.2" : "fd00:213::2")
				     : (v4 ? "10.213.0.6" : "fe80::2"),
		NULL);
	for (size_t i = 0; i < 2; i++)
		lxe_net_addr_parse(i ? &p.orig_src : &p.reply_src,
			rnd_below(state, 3) ? (v4 ? "198.51.100.1" : "2001:db8::1")
					    : (v4 ? "10.213.0.2" : "fd00:213::2"),
			NULL);
	for (size_t i = 0; i < 16; i++)
		model.member[i / 8][i % 8] = rnd_below(state, 2);
	return p;
}

static void one_round(uint64_t seed)
{
	uint64_t state = seed;
	size_t verdicts[4] = { 0 };

	for (int round = 0; round < 300; round++) {
		struct eval *tables[2];

		random_model(&state);
		make();
		tables[LXE_NET_V4] = eval_new(plan.v4, "filter");
		tables[LXE_NET_V6] = eval_new(plan.v6, "filter");
		for (int i = 0; i < 200; i++) {
			struct eval_packet p = random_packet(&state);
			struct eval *e = tables[p.dst.family];
			enum eval_verdict got = eval_packet(e, &p), wanted = expected_out(&p);
			char to[LXE_NET_ADDR_TEXT];

			lxe_net_addr_format(&p.dst, to);
			verdicts[got]++;
			cr_assert_eq(got, wanted, "seed %lu: %s %s %s:%u %s %s: %d, not %d\n%s",
				(unsigned long)seed, p.hook, p.proto, to, p.dport, p.state, p.type,
				got, wanted, p.dst.family == LXE_NET_V4 ? plan.v4 : plan.v6);
			cr_assert_eq(e->logged, got == EVAL_REJECT, "each refusal is told of");
		}
		eval_free(tables[0]);
		eval_free(tables[1]);
	}
	cr_assert_gt(verdicts[EVAL_ACCEPT], 5000);
	cr_assert_gt(verdicts[EVAL_REJECT], 5000);
	cr_assert_gt(verdicts[EVAL_DROP], 1000);
	cr_assert_eq(verdicts[EVAL_NONE], 0);
}

Test(net_plan, does_what_the_grammar_says)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		one_round(list[i]);
}

static enum eval_verdict arrives(struct eval *e, const char *hook, const char *state, bool dnat,
	const char *proto, unsigned int port, unsigned int orig)
{
	struct eval_packet p = { .hook = hook,
		.in = strcmp(hook, "OUTPUT") == 0 ? "" : "eth0",
		.out = VETH,
		.state = state,
		.dnat = dnat,
		.proto = proto,
		.dport = port,
		.orig_dport = orig,
		.type = "UNICAST",
		.in_set = in_set };

	lxe_net_addr_parse(&p.src, "198.51.100.1", NULL);
	lxe_net_addr_parse(&p.dst, "10.213.0.2", NULL);
	lxe_net_addr_parse(&p.orig_src, "198.51.100.1", NULL);
	lxe_net_addr_parse(&p.reply_src, dnat ? "10.213.0.2" : "198.51.100.9", NULL);
	return eval_packet(e, &p);
}

Test(net_plan, nothing_comes_in_but_what_is_published)
{
	static const char *const hooks[] = { "FORWARD", "OUTPUT" };
	struct eval *e;

	spec.mode = LXE_NET_OPEN;
	add_all(&spec.publish, WORDS("8080:80/tcp", "127.0.0.1:53:5353/udp"));
	make();
	e = eval_new(plan.v4, "filter");
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(arrives(e, hooks[i], "NEW", true, "tcp", 80, 8080), EVAL_ACCEPT);
		cr_expect_not(e->logged);
		cr_expect_eq(arrives(e, hooks[i], "NEW", true, "udp", 5353, 53), EVAL_ACCEPT);
		cr_expect_eq(arrives(e, hooks[i], "ESTABLISHED", false, "tcp", 9, 9), EVAL_ACCEPT);
		cr_expect_eq(arrives(e, hooks[i], "RELATED", true, "icmp", 0, 0), EVAL_ACCEPT);
		cr_expect_eq(arrives(e, hooks[i], "RELATED", false, "icmp", 0, 0), EVAL_DROP);
		cr_expect_eq(arrives(e, hooks[i], "NEW", false, "tcp", 80, 80), EVAL_DROP);
		cr_expect(e->logged);
		cr_expect_eq(arrives(e, hooks[i], "NEW", true, "tcp", 80, 81), EVAL_DROP);
		cr_expect_eq(arrives(e, hooks[i], "NEW", true, "tcp", 81, 8080), EVAL_DROP);
		cr_expect_eq(arrives(e, hooks[i], "NEW", true, "udp", 80, 8080), EVAL_DROP);
		cr_expect_eq(arrives(e, hooks[i], "NEW", false, "icmp", 0, 0), EVAL_DROP);
		cr_expect_eq(arrives(e, hooks[i], "INVALID", false, "tcp", 80, 80), EVAL_DROP);
		cr_expect_not(e->logged);
	}
	eval_free(e);
}

Test(net_plan, its_resolver_is_asked_by_nobody_else)
{
	static const char *const protos[] = { "udp", "tcp" }, *const links[] = { VETH, "eth0", "lo",
		"lxeffff0000" };
	struct eval *tables[2];

	in.dns = true;
	make();
	tables[LXE_NET_V4] = eval_new(plan.v4, "filter");
	tables[LXE_NET_V6] = eval_new(plan.v6, "filter");
	for (size_t i = 0; i < 16; i++) {
		bool v4 = i % 2, own = i / 4 == 0;
		struct eval_packet p = { .hook = "INPUT",
			.in = links[i / 4],
			.out = "",
			.state = "NEW",
			.proto = protos[i / 2 % 2],
			.dport = 53,
			.type = "LOCAL",
			.in_set = in_set };

		lxe_net_addr_parse(&p.src, v4 ? "10.213.0.2" : "fd00:213::2", NULL);
		lxe_net_addr_parse(&p.dst, v4 ? "10.213.0.1" : "fd00:213::1", NULL);
		lxe_net_addr_parse(&p.orig_src, "198.51.100.1", NULL);
		lxe_net_addr_parse(&p.reply_src, "198.51.100.1", NULL);
		cr_expect_eq(eval_packet(tables[v4 ? LXE_NET_V4 : LXE_NET_V6], &p),
			own ? EVAL_ACCEPT : EVAL_DROP);
		p.dport = 54;
		if (!own)
			cr_expect_eq(
				eval_packet(tables[v4 ? LXE_NET_V4 : LXE_NET_V6], &p), EVAL_NONE);
	}
	eval_free(tables[0]);
	eval_free(tables[1]);
}

/* Traffic that is not the sandbox's is not even looked at. */
Test(net_plan, others_go_their_way)
{
	static const char *const hooks[] = { "FORWARD", "INPUT", "OUTPUT" };
	struct eval *e;

	make();
	e = eval_new(plan.v4, "filter");
	for (size_t i = 0; i < 3; i++) {
		struct eval_packet p = { .hook = hooks[i],
			.in = "eth0",
			.out = "docker0",
			.state = "NEW",
			.proto = "tcp",
			.type = "UNICAST",
			.in_set = in_set };

		lxe_net_addr_parse(&p.src, "10.213.0.2", NULL);
		lxe_net_addr_parse(&p.dst, "172.17.0.2", NULL);
		cr_expect_eq(eval_packet(e, &p), EVAL_NONE);
	}
	eval_free(e);
}

Test(net_plan, ipv6_that_is_off_is_dropped_both_ways)
{
	struct eval_packet p = { .hook = "INPUT",
		.in = VETH,
		.out = "",
		.state = "ESTABLISHED",
		.proto = "ipv6-icmp",
		.icmp_type = 135,
		.hl = 255,
		.type = "LOCAL",
		.in_set = in_set };
	struct eval *e;

	in.v6 = false;
	add_all(&spec.allow, WORDS("*"));
	make();
	e = eval_new(plan.v6, "filter");
	lxe_net_addr_parse(&p.src, "fe80::2", NULL);
	lxe_net_addr_parse(&p.dst, "fe80::1", NULL);
	cr_expect_eq(eval_packet(e, &p), EVAL_DROP);
	p.hook = "OUTPUT";
	p.in = "";
	p.out = VETH;
	cr_expect_eq(eval_packet(e, &p), EVAL_DROP);
	eval_free(e);
}

static const char saved[] =
	"# Generated by iptables-save\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [1:2]\n"
	":DOCKER - [0:0]\n:LXE-0123abcd-E - [0:0]\n:LXE-0123abcd-I - [0:0]\n:LXE-0123abcf-E - [0:0]\n"
	"-A INPUT -i lxe0123abcd -j LXE-0123abcd-E\n-A INPUT -i lxe0123abcf -j LXE-0123abcf-E\n"
	"-A FORWARD -i lxe0123abcd -j LXE-0123abcd-E\n-A FORWARD -j DOCKER\n"
	"-A FORWARD -i lxe0123abcd -j LXE-0123abcd-E\n"
	"-A LXE-0123abcd-E -o lxe+ -j LXE-0123abcd-I\nCOMMIT\n"
	"*nat\n:PREROUTING ACCEPT [0:0]\n:LXE-0123abcd-S - [0:0]\n"
	"-A POSTROUTING -s 10.213.0.2/32 -j LXE-0123abcd-S\nCOMMIT\n";

Test(net_plan, what_is_left_is_swept_away_and_nothing_else)
{
	char *text = NULL;

	cr_assert_eq(lxe_net_plan_sweep(&text, saved, "0123abcd", &err), 0);
	cr_assert_str_eq(text, "*filter\n"
			       "-D INPUT -i lxe0123abcd -j LXE-0123abcd-E\n"
			       "-D FORWARD -i lxe0123abcd -j LXE-0123abcd-E\n"
			       "-D FORWARD -i lxe0123abcd -j LXE-0123abcd-E\n"
			       "-F LXE-0123abcd-E\n-F LXE-0123abcd-I\n"
			       "-X LXE-0123abcd-E\n-X LXE-0123abcd-I\nCOMMIT\n"
			       "*nat\n"
			       "-D POSTROUTING -s 10.213.0.2/32 -j LXE-0123abcd-S\n"
			       "-F LXE-0123abcd-S\n-X LXE-0123abcd-S\nCOMMIT\n");
	free(text);
	cr_assert_eq(lxe_net_plan_sweep(&text, saved, "0123abce", &err), 0);
	cr_assert_null(text);
	cr_assert_eq(lxe_net_plan_sweep(&text, "", "0123abcd", &err), 0);
	cr_assert_null(text);
	cr_assert_eq(lxe_net_plan_sweep(&text, "# nothing", "0123abcd", &err), 0);
	cr_assert_null(text);
}

/* A text that is cut anywhere: it is in blocks of its own size, so that a read past the end is seen. */
Test(net_plan, a_cut_text_is_swept_too)
{
	for (size_t len = 0; len < sizeof(saved); len++) {
		char *copy = strndup(saved, len), *text = NULL;

		cr_assert_eq(lxe_net_plan_sweep(&text, copy, "0123abcd", &err), 0);
		free(text);
		free(copy);
	}
}

static size_t at(const char *text, const char *part)
{
	const char *found = strstr(text, part);

	cr_assert_not_null(found, "'%s' is not in\n%s", part, text);
	return (size_t)(found - text);
}

Test(net_plan, what_no_rule_names_by_address_leaves_by_devices_that_are_known)
{
	char *names[] = { "eth0", "wlan0" };
	struct lxe_strv links = { .v = names, .n = 2 };

	in.links = &links;
	add_all(&spec.allow, (const char *const[]){ "203.0.113.5", NULL });
	make();
	cr_assert_null(strstr(plan.v4, "0123abcd-K"), "nothing can leave by others");
	add_all(&spec.allow, (const char *const[]){ "web.example", NULL });
	make();
	cr_assert_lt(at(plan.v4, "-d 203.0.113.5 -j ACCEPT"), at(plan.v4, "E -j LXE-0123abcd-K"));
	cr_assert_lt(at(plan.v4, "E -j LXE-0123abcd-K"), at(plan.v4, "--match-set"));
	at(plan.v4, "-A LXE-0123abcd-K -o eth0 -j RETURN\n"
		    "-A LXE-0123abcd-K -o wlan0 -j RETURN\n"
		    "-A LXE-0123abcd-K -j LXE-0123abcd-R\n");
	at(plan.v6, "-A LXE-0123abcd-K -j LXE-0123abcd-R\n");
	cr_assert_lt(at(plan.undo_v4, "-X LXE-0123abcd-K"), at(plan.undo_v4, "-X LXE-0123abcd-R"));
}
