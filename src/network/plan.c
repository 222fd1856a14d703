#include "network/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "network/plan_rules.h"
#include "network/plan_text.h"

/* Enough for a person to see what happens, too little to keep the keeper busy. */
#define LOG_LIMIT "-m limit --limit 20/second --limit-burst 50"
#define LOG_BYTES 128 /* headers */

void lxe_net_set_name(char buf[LXE_NET_SET_NAME], const char *id8, bool deny, size_t i,
	enum lxe_net_family family)
{
	snprintf(buf, LXE_NET_SET_NAME, "LXE-%.8s-%c%zu-%c", id8, deny ? 'd' : 'a', i,
		family == LXE_NET_V4 ? '4' : '6');
}

size_t lxe_net_set_of(const struct lxe_net_rule *rules, size_t i)
{
	const struct lxe_net_rule *rule = &rules[i];

	if (!lxe_net_rule_has_set(rule))
		return i;
	for (size_t k = 0; k < i; k++)
		if (lxe_net_rule_has_set(&rules[k]) && rules[k].proto == rule->proto &&
			rules[k].n_ports == rule->n_ports &&
			memcmp(rules[k].ports, rule->ports,
				rule->n_ports * sizeof(rule->ports[0])) == 0)
			return k;
	return i;
}

static void name_chain(char buf[LXE_NET_CHAIN], const char *id8, char letter)
{
	snprintf(buf, LXE_NET_CHAIN, "LXE-%.8s-%c", id8, letter);
}

/* They become words of a program's input: nothing but what names are made of. */
static bool is_word(const char *text, size_t min, size_t max)
{
	size_t len = strlen(text);

	return len >= min && len <= max &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static int look_at_publish(struct lxe_net_text *p, struct lxe_err *err)
{
	const struct lxe_strv *list = &p->in->spec->publish;
	struct lxe_net_publish port;
	int r = 0;

	p->publishes = false;
	p->publishes_loopback = p->family == LXE_NET_V4 && lxe_net_wants_localnet(p->in->spec);
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		r = lxe_net_publish_parse(&port, list->v[i], err);
		if (r == 0 && !port.anywhere && port.at.family == LXE_NET_V6 && !p->in->v6) {
			lxe_fail_msg(err, -EINVAL, "--publish '%s': the sandbox has no IPv6",
				list->v[i]);
			lxe_hint(err, "publish to an IPv4 address");
			return -EINVAL;
		}
		if (r < 0 || !lxe_net_publishes(p, &port))
			continue;
		p->publishes = true;
	}
	return r;
}

static void put_jumps(const struct lxe_net_text *p, const char *verb)
{
	const char *veth = p->in->veth;

	fprintf(p->out, "-%s FORWARD -i %s -j %s\n", verb, veth, p->egress);
	fprintf(p->out, "-%s FORWARD -o %s -j %s\n", verb, veth, p->ingress);
	fprintf(p->out, "-%s INPUT -i %s -j %s\n", verb, veth, p->egress);
	fprintf(p->out, "-%s OUTPUT -o %s -j %s\n", verb, veth, p->ingress);
	/* Its resolver is nobody else's: by another's questions, names would get into its sets. */
	for (size_t i = 0; p->in->dns && i < 2; i++)
		fprintf(p->out, "-%s INPUT -d %s ! -i %s -p %s -m %s --dport %d -j %s\n", verb,
			p->gateway, veth, lxe_net_dns_protos[i], lxe_net_dns_protos[i],
			LXE_NET_DNS_PORT, p->ingress);
}

void lxe_net_put_chain(const struct lxe_net_text *p, const char *chain)
{
	fprintf(p->out, ":%s - [0:0]\n", chain);
}

void lxe_net_drop_chain(const struct lxe_net_text *p, const char *chain)
{
	fprintf(p->out, "-F %s\n-X %s\n", chain, chain);
}

static void put_rules(const struct lxe_net_text *p, bool deny, enum lxe_net_rank rank)
{
	const struct lxe_net_rule *rules = deny ? p->denied : p->allowed;
	size_t n = deny ? p->n_denied : p->n_allowed;
	struct lxe_net_lines lines = {
		.out = p->out, .id8 = p->in->id8, .family = p->family, .deny = deny
	};

	for (size_t i = 0; i < n; i++)
		if (lxe_net_rank(&rules[i]) == rank && lxe_net_set_of(rules, i) == i)
			lxe_net_put_rule(
				&lines, &rules[i], i, p->egress, deny ? p->refuse : "ACCEPT");
}

/*
 * What is related are above all errors of ICMP, in whose name they are about a connection: the sandbox may tell of
 * those that it has begun or that came to its published ports, not of the host's or of a neighbour's, whose path MTU
 * and whose sockets would believe it.
 */
static void put_related(const struct lxe_net_text *p, const char *chain)
{
	static const char *const ends[] = { "--ctorigsrc", "--ctreplsrc" };

	fprintf(p->out, "-A %s -m conntrack --ctstate ESTABLISHED -j ACCEPT\n", chain);
	for (size_t i = 0; i < 2; i++)
		fprintf(p->out, "-A %s -m conntrack --ctstate RELATED %s %s -j ACCEPT\n", chain,
			ends[i], p->guest);
	fprintf(p->out, "-A %s -m conntrack --ctstate INVALID,RELATED -j DROP\n", chain);
}

/* Without these there is no neighbour; forwarded ones have fewer hops left. */
static void put_neighbours(const struct lxe_net_text *p, const char *chain)
{
	for (int type = 135; type <= 136; type++)
		fprintf(p->out,
			"-A %s -p ipv6-icmp -m icmp6 --icmpv6-type %d -m hl --hl-eq 255 -j "
			"ACCEPT\n",
			chain, type);
}

static void put_egress(const struct lxe_net_text *p)
{
	const char *e = p->egress;

	if (p->family == LXE_NET_V6)
		put_neighbours(p, e);
	fprintf(p->out, "-A %s ! -s %s -j DROP\n", e, p->guest);
	put_related(p, e);
	fprintf(p->out, "-A %s -d %s -j DROP\n", e,
		p->family == LXE_NET_V4 ? "127.0.0.0/8" : "::1");
	/* Whatever is allowed: an ACCEPT here would be the last word on what the other one denies. */
	fprintf(p->out, "-A %s -o " LXE_NET_VETH_PREFIX "+ -j %s\n", e, p->refuse);
	for (size_t i = 0; p->in->dns && i < 2; i++)
		fprintf(p->out, "-A %s -d %s -p %s -m %s --dport %d -j ACCEPT\n", e, p->gateway,
			lxe_net_dns_protos[i], lxe_net_dns_protos[i], LXE_NET_DNS_PORT);
	lxe_net_put_others_resolvers(p);
	put_rules(p, true, LXE_NET_BY_ADDR);
	put_rules(p, true, LXE_NET_BY_NAME);
	put_rules(p, false, LXE_NET_BY_ADDR);
	lxe_net_put_shields(p);
	if (lxe_net_looks_at_links(p))
		fprintf(p->out, "-A %s -j %s\n", e, p->known);
	if (p->in->spec->mode == LXE_NET_OPEN) {
		fprintf(p->out, "-A %s -j ACCEPT\n", e);
		return;
	}
	put_rules(p, false, LXE_NET_BY_NAME);
	fprintf(p->out, "-A %s -j %s\n", e, p->refuse);
}

/* By `which` the keeper tells them apart. */
static void put_log(const struct lxe_net_text *p, const char *which)
{
	fprintf(p->out,
		LOG_LIMIT " -j NFLOG --nflog-prefix lxe-%.8s%s --nflog-group %u "
			  "--nflog-size %d\n",
		p->in->id8, which, p->in->nflog_group, LOG_BYTES);
}

static const char *prohibited(const struct lxe_net_text *p)
{
	return p->family == LXE_NET_V4 ? "icmp-admin-prohibited" : "icmp6-adm-prohibited";
}

static void put_refuse(const struct lxe_net_text *p)
{
	const char *r = p->refuse;

	fprintf(p->out, "-A %s -o " LXE_NET_VETH_PREFIX "+ ", r);
	put_log(p, LXE_NET_LOG_TO_SANDBOX);
	fprintf(p->out, "-A %s ! -o " LXE_NET_VETH_PREFIX "+ ", r);
	put_log(p, "");
	fprintf(p->out, "-A %s -p tcp -j REJECT --reject-with tcp-reset\n", r);
	fprintf(p->out, "-A %s -j REJECT --reject-with %s\n", r, prohibited(p));
}

/*
 * Sandboxes that began before this one meet these rules first, those that began later their own. What has not one of
 * their addresses is not answered: the answer would be somebody else's.
 */
static void put_refuse_sandboxes(const struct lxe_net_text *p)
{
	const char *i = p->ingress, *guest = p->guest;
	char net[LXE_NET_ADDR_TEXT];

	fprintf(p->out, "-A %s -i " LXE_NET_VETH_PREFIX "+ -d %s ", i, guest);
	put_log(p, LXE_NET_LOG_SANDBOX);
	for (size_t k = 0; k < p->in->n_subnets; k++) {
		if (p->in->subnets[k].family != p->family)
			continue;
		lxe_net_addr_format(&p->in->subnets[k], net);
		fprintf(p->out,
			"-A %s -i " LXE_NET_VETH_PREFIX "+ -s %s -d %s -p tcp -j REJECT "
			"--reject-with tcp-reset\n",
			i, net, guest);
		fprintf(p->out,
			"-A %s -i " LXE_NET_VETH_PREFIX "+ -s %s -d %s -j REJECT --reject-with "
			"%s\n",
			i, net, guest, prohibited(p));
	}
	fprintf(p->out, "-A %s -i " LXE_NET_VETH_PREFIX "+ -j DROP\n", i);
}

/* Only what came to the published port: whoever has a route to the sandbox has no more than that. */
static void put_ingress(const struct lxe_net_text *p)
{
	const struct lxe_strv *list = &p->in->spec->publish;
	struct lxe_net_publish port;

	if (p->family == LXE_NET_V6)
		put_neighbours(p, p->ingress);
	put_related(p, p->ingress);
	for (size_t i = 0; i < list->n; i++) {
		if (lxe_net_publish_parse(&port, list->v[i], NULL) < 0 ||
			!lxe_net_publishes(p, &port))
			continue;
		fprintf(p->out,
			"-A %s -d %s -p %s -m %s --dport %u -m conntrack --ctstate DNAT "
			"--ctorigdstport %u -j ACCEPT\n",
			p->ingress, p->guest, port.udp ? "udp" : "tcp", port.udp ? "udp" : "tcp",
			port.port, port.host_port);
	}
	put_refuse_sandboxes(p);
	/* What the host itself says to whole networks, and to others' resolvers, is for nobody inside. */
	fprintf(p->out, "-A %s -d %s ", p->ingress, p->guest);
	put_log(p, LXE_NET_LOG_IN);
	fprintf(p->out, "-A %s -j DROP\n", p->ingress);
}

static void put_filter(const struct lxe_net_text *p)
{
	fputs("*filter\n", p->out);
	lxe_net_put_chain(p, p->egress);
	lxe_net_put_chain(p, p->refuse);
	lxe_net_put_chain(p, p->ingress);
	if (lxe_net_looks_at_links(p))
		lxe_net_put_chain(p, p->known);
	put_jumps(p, "I");
	lxe_net_put_guards(p);
	put_egress(p);
	if (lxe_net_looks_at_links(p))
		lxe_net_put_links(p);
	put_refuse(p);
	put_ingress(p);
	fputs("COMMIT\n", p->out);
}

/* IPv6 that is off: whatever says otherwise inside, nothing passes. */
static void put_off(const struct lxe_net_text *p)
{
	fputs("*filter\n", p->out);
	lxe_net_put_chain(p, p->egress);
	lxe_net_put_chain(p, p->ingress);
	put_jumps(p, "I");
	fprintf(p->out, "-A %s -j DROP\n-A %s -j DROP\nCOMMIT\n", p->egress, p->ingress);
}

static void put_undo(const struct lxe_net_text *p, bool off)
{
	fputs("*filter\n", p->out);
	put_jumps(p, "D");
	if (!off)
		lxe_net_undo_guards(p);
	lxe_net_drop_chain(p, p->egress);
	if (!off && lxe_net_looks_at_links(p))
		lxe_net_drop_chain(p, p->known);
	if (!off)
		lxe_net_drop_chain(p, p->refuse);
	lxe_net_drop_chain(p, p->ingress);
	fputs("COMMIT\n", p->out);
	if (off)
		return;
	lxe_net_undo_nat(p);
}

static void put_text(const struct lxe_net_text *p, bool undo)
{
	bool off = p->family == LXE_NET_V6 && !p->in->v6;

	if (undo)
		put_undo(p, off);
	else if (off)
		put_off(p);
	if (undo || off)
		return;
	put_filter(p);
	lxe_net_put_nat(p);
}

static int render(struct lxe_net_text *p, bool undo, char **ret)
{
	char *text = NULL;
	size_t len = 0;
	int r = 0;

	p->out = open_memstream(&text, &len);
	if (!p->out)
		return -ENOMEM;
	put_text(p, undo);
	if (ferror(p->out))
		r = -ENOMEM;
	if (fclose(p->out) != 0)
		r = -ENOMEM;
	if (r < 0)
		free(text);
	else
		*ret = text;
	return r;
}

static int render_family(struct lxe_net_text *p, enum lxe_net_family family, char **text,
	char **undo, struct lxe_err *err)
{
	const struct lxe_net_plan_in *in = p->in;
	bool v4 = family == LXE_NET_V4;
	int af = v4 ? AF_INET : AF_INET6, r;

	p->family = family;
	inet_ntop(af, v4 ? (const void *)&in->guest4 : &in->guest6, p->guest, sizeof(p->guest));
	inet_ntop(af, v4 ? (const void *)&in->gateway4 : &in->gateway6, p->gateway,
		sizeof(p->gateway));
	r = look_at_publish(p, err);
	if (r == 0)
		r = render(p, false, text);
	return r == 0 ? render(p, true, undo) : r;
}

int lxe_net_plan(struct lxe_net_plan *ret, const struct lxe_net_plan_in *in, struct lxe_err *err)
{
	LXE_AUTOFREE struct lxe_net_rule *allowed = NULL, *denied = NULL;
	struct lxe_net_plan plan = { 0 };
	struct lxe_net_text p = { .in = in };
	int r;

	if (in->spec->mode == LXE_NET_NONE || !is_word(in->id8, LXE_NET_ID_LEN, 64) ||
		!is_word(in->veth, 1, 15))
		return lxe_fail(err, -EINVAL, "plan the firewall of sandbox '%.8s'", in->id8);
	name_chain(p.egress, in->id8, 'E');
	name_chain(p.refuse, in->id8, 'R');
	name_chain(p.ingress, in->id8, 'I');
	name_chain(p.known, in->id8, 'K');
	name_chain(p.foreign, in->id8, 'F');
	name_chain(p.dnat, in->id8, 'D');
	name_chain(p.snat, in->id8, 'S');
	r = lxe_net_allowed(in->spec, &allowed, &p.n_allowed);
	if (r == 0)
		r = lxe_net_denied(in->spec, &denied, &p.n_denied);
	p.allowed = allowed;
	p.denied = denied;
	if (r == 0)
		r = render_family(&p, LXE_NET_V4, &plan.v4, &plan.undo_v4, err);
	if (r == 0)
		r = render_family(&p, LXE_NET_V6, &plan.v6, &plan.undo_v6, err);
	if (r < 0) {
		lxe_net_plan_release(&plan);
		return lxe_fail(err, r, "plan the firewall of sandbox '%.8s'", in->id8);
	}
	*ret = plan;
	return 0;
}

void lxe_net_plan_release(struct lxe_net_plan *plan)
{
	free(plan->v4);
	free(plan->v6);
	free(plan->undo_v4);
	free(plan->undo_v6);
	*plan = (struct lxe_net_plan){ 0 };
}
