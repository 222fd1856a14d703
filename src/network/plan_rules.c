#include "network/plan_rules.h"

#include "network/plan.h"

#define MULTIPORT_MAX 15 /* of xt_multiport; a range takes two */

enum lxe_net_rank lxe_net_rank(const struct lxe_net_rule *rule)
{
	/* 0.0.0.0/0 says no more than * does. */
	return rule->host == LXE_NET_ADDR && rule->addr.prefix ? LXE_NET_BY_ADDR : LXE_NET_BY_NAME;
}

static void put_host(const struct lxe_net_lines *l, const struct lxe_net_rule *rule, size_t i)
{
	char text[LXE_NET_ADDR_TEXT], set[LXE_NET_SET_NAME];

	if (lxe_net_rule_has_set(rule)) {
		lxe_net_set_name(set, l->id8, l->deny, i, l->family);
		fprintf(l->out, " -m set --match-set %s dst", set);
	} else if (rule->host == LXE_NET_ADDR && rule->addr.prefix) {
		lxe_net_addr_format(&rule->addr, text);
		fprintf(l->out, " -d %s", text);
	}
}

/* The ports from `first` on that fit into one line; how many they were. */
static size_t put_ports(FILE *out, const char *proto, const struct lxe_net_rule *rule, size_t first)
{
	const struct lxe_net_ports *ports = &rule->ports[first];
	size_t n, slots = 0;

	fprintf(out, " -p %s", proto);
	if (rule->n_ports - first == 1) {
		fprintf(out, " -m %s --dport %u", proto, ports->lo);
		if (ports->hi != ports->lo)
			fprintf(out, ":%u", ports->hi);
		return 1;
	}
	fputs(" -m multiport --dports ", out);
	for (n = 0; first + n < rule->n_ports; n++) {
		bool range = ports[n].hi != ports[n].lo;

		slots += range ? 2 : 1;
		if (slots > MULTIPORT_MAX)
			break;
		fprintf(out, "%s%u", n ? "," : "", ports[n].lo);
		if (range)
			fprintf(out, ":%u", ports[n].hi);
	}
	return n;
}

static void put_with_ports(const struct lxe_net_lines *l, const struct lxe_net_rule *rule, size_t i,
	const char *proto, const char *chain, const char *target)
{
	for (size_t first = 0; first < rule->n_ports;) {
		fprintf(l->out, "-A %s", chain);
		put_host(l, rule, i);
		first += put_ports(l->out, proto, rule, first);
		fprintf(l->out, " -j %s\n", target);
	}
}

static const char *proto_name(enum lxe_net_proto proto, enum lxe_net_family family)
{
	switch (proto) {
	case LXE_NET_TCP:
		return "tcp";
	case LXE_NET_UDP:
		return "udp";
	case LXE_NET_ICMP:
		return family == LXE_NET_V4 ? "icmp" : "ipv6-icmp";
	case LXE_NET_ANY:
		break;
	}
	return NULL;
}

void lxe_net_put_rule(const struct lxe_net_lines *l, const struct lxe_net_rule *rule, size_t i,
	const char *chain, const char *target)
{
	const char *proto = proto_name(rule->proto, l->family);

	if (rule->host == LXE_NET_ADDR && rule->addr.family != l->family)
		return;
	if (rule->n_ports) {
		if (rule->proto != LXE_NET_UDP)
			put_with_ports(l, rule, i, "tcp", chain, target);
		if (rule->proto != LXE_NET_TCP)
			put_with_ports(l, rule, i, "udp", chain, target);
		return;
	}
	fprintf(l->out, "-A %s", chain);
	put_host(l, rule, i);
	if (proto)
		fprintf(l->out, " -p %s", proto);
	fprintf(l->out, " -j %s\n", target);
}
