#include "network/blocked.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/blocked.h"

static bool is_same(const struct lxe_blocked_to *a, const struct lxe_blocked_to *b)
{
	return a->unresolved == b->unresolved && a->in == b->in && a->neighbour == b->neighbour &&
	       a->proto == b->proto && a->port == b->port && a->to.family == b->to.family &&
	       memcmp(a->to.bytes, b->to.bytes, sizeof(a->to.bytes)) == 0 &&
	       (!a->unresolved || strcmp(a->name, b->name) == 0);
}

static bool add(struct lxe_blocked *b, const struct lxe_blocked_to *to)
{
	for (size_t i = 0; i < b->n; i++) {
		if (!is_same(&b->to[i], to))
			continue;
		b->to[i].count++;
		return false;
	}
	if (b->n == LXE_BLOCKED_MAX || (to->in && b->n_in == LXE_BLOCKED_IN_MAX))
		return b->others++ == 0;
	b->n_in += to->in;
	b->to[b->n] = *to;
	b->to[b->n++].count = 1;
	return true;
}

/* It becomes a word of a line, which is escaped where it is printed. */
static void set_name(struct lxe_blocked_to *to, const char *name)
{
	snprintf(to->name, sizeof(to->name), "%s", name);
	for (char *p = to->name; *p; p++)
		if (*p <= ' ' || *p > '~')
			*p = *p == ' ' ? '_' : '?';
}

bool lxe_blocked_add(struct lxe_blocked *b, const struct lxe_nflog_packet *packet, bool neighbour,
	const char *name)
{
	struct lxe_blocked_to to = { .to = packet->to,
		.proto = packet->proto,
		.port = packet->port,
		.neighbour = neighbour };

	if (name)
		set_name(&to, name);
	return add(b, &to);
}

bool lxe_blocked_add_name(struct lxe_blocked *b, const char *name)
{
	struct lxe_blocked_to to = { .unresolved = true };

	set_name(&to, *name ? name : ".");
	return add(b, &to);
}

bool lxe_blocked_add_in(
	struct lxe_blocked *b, const struct lxe_nflog_packet *packet, bool neighbour)
{
	const struct lxe_blocked_to to = { .to = packet->to,
		.proto = packet->proto,
		.port = packet->port,
		.in = true,
		.neighbour = neighbour };

	return add(b, &to);
}

static const char *proto_of(const struct lxe_blocked_to *to, char *buf, size_t size)
{
	if (to->unresolved)
		return "dns";
	switch (to->proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		snprintf(buf, size, "%u", to->proto);
		return buf;
	}
}

/* The rule that names this and nothing else. */
static int rule_of(const struct lxe_blocked_to *to, char *buf, size_t size)
{
	struct lxe_net_rule rule = { .host = LXE_NET_ADDR, .addr = to->to };
	const char *name = to->name;

	if (*name) {
		rule.host = LXE_NET_NAME;
		/* What no host can be called, or what dnsmasq says in its place. */
		if (lxe_net_name(rule.name, name, strlen(name))) {
			if (to->unresolved)
				return -EINVAL;
			rule.host = LXE_NET_ADDR;
		}
	}
	if (to->proto == IPPROTO_TCP)
		rule.proto = LXE_NET_TCP;
	else if (to->proto == IPPROTO_UDP)
		rule.proto = LXE_NET_UDP;
	else if (to->proto == IPPROTO_ICMP || to->proto == IPPROTO_ICMPV6)
		rule.proto = LXE_NET_ICMP;
	if (to->port) {
		rule.n_ports = 1;
		rule.ports[0] = (struct lxe_net_ports){ to->port, to->port };
	}
	return lxe_net_rule_format(&rule, buf, size);
}

/* What a rule denies of names: itself, and what is below it (docs/adr/0012). */
static bool names_name(const struct lxe_net_rule *rule, const char *name)
{
	size_t len = strlen(name), suffix = strlen(rule->name);

	if (rule->host != LXE_NET_NAME && rule->host != LXE_NET_BELOW)
		return false;
	return len >= suffix && strcasecmp(name + len - suffix, rule->name) == 0 &&
	       (len == suffix || name[len - suffix - 1] == '.');
}

static bool names(const struct lxe_net_rule *rule, const struct lxe_blocked_to *to)
{
	bool port = !rule->n_ports;

	if (to->unresolved)
		return names_name(rule, to->name);
	if ((rule->proto == LXE_NET_TCP && to->proto != IPPROTO_TCP) ||
		(rule->proto == LXE_NET_UDP && to->proto != IPPROTO_UDP) ||
		(rule->proto == LXE_NET_ICMP && to->proto != IPPROTO_ICMP &&
			to->proto != IPPROTO_ICMPV6))
		return false;
	for (size_t i = 0; i < rule->n_ports; i++)
		port = port || (to->port >= rule->ports[i].lo && to->port <= rule->ports[i].hi);
	if (!port)
		return false;
	return rule->host == LXE_NET_EVERYWHERE ||
	       (rule->host == LXE_NET_ADDR && lxe_net_addr_covers(&rule->addr, &to->to));
}

/* The deny rule that stands in the way, or -1. */
static long denied_by(const struct lxe_net_rule *denied, size_t n, const struct lxe_blocked_to *to)
{
	for (size_t i = 0; i < n; i++)
		if (names(&denied[i], to))
			return (long)i;
	return -1;
}

/* What has no room is counted with the others. */
static void put(FILE *out, const struct lxe_blocked_to *to, const char *hint)
{
	char addr[LXE_NET_ADDR_TEXT], proto[8], port[8] = "-";

	lxe_net_addr_format(&to->to, addr);
	if (to->port)
		snprintf(port, sizeof(port), "%u", to->port);
	fprintf(out, "%s%s %s %s %llu %s\n", to->in ? LXE_BLOCKED_IN : "",
		proto_of(to, proto, sizeof(proto)), to->unresolved ? to->name : addr, port,
		(unsigned long long)to->count, hint);
}

/* The host's port of the same number is as good as any. */
static void hint_for_in(char *buf, size_t size, const struct lxe_blocked_to *to)
{
	bool udp = to->proto == IPPROTO_UDP;

	if (to->neighbour)
		lxe_format(buf, size, "sandboxes do not reach each other");
	else if (to->port)
		lxe_format(buf, size, "--publish %u:%u%s", to->port, to->port, udp ? "/udp" : "");
	else
		lxe_format(buf, size, "only ports that are published let in");
}

static void hint_for(char *buf, size_t size, const struct lxe_blocked_to *to,
	const struct lxe_net_spec *spec, const struct lxe_net_rule *denied, size_t n_denied,
	const struct lxe_net_addr *subnet)
{
	long by = to->in ? -1 : denied_by(denied, n_denied, to);
	char rule[LXE_BLOCKED_WORD];

	buf[0] = '\0';
	if (to->in)
		hint_for_in(buf, size, to);
	else if (by >= 0)
		lxe_format(buf, size, "--deny-net %.150s denies it", spec->deny.v[by]);
	else if (to->neighbour ||
		 (subnet && !to->unresolved && lxe_net_addr_covers(subnet, &to->to)))
		lxe_format(buf, size, "sandboxes do not reach each other");
	else if (rule_of(to, rule, sizeof(rule)) == 0)
		lxe_format(buf, size, "--allow %s", rule);
}

/* A line and those behind it that are left out as a number: it must fit, too. */
#define LAST_LINE sizeof("* * - 18446744073709551615 \n")

/* Those of one direction; how many packets had no room. */
static uint64_t put_lines(FILE *out, const struct lxe_blocked *b, bool in,
	const struct lxe_net_spec *spec, const struct lxe_net_addr *subnet,
	const struct lxe_net_rule *denied, size_t n_denied, size_t size)
{
	char hint[LXE_BLOCKED_WORD + 32];
	uint64_t others = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct lxe_blocked_to *to = &b->to[i];

		if (to->in != in)
			continue;
		hint_for(hint, sizeof(hint), to, spec, denied, n_denied, subnet);
		/* The longest that a line can be, besides the hint. */
		if ((size_t)ftell(out) + strlen(hint) + LXE_BLOCKED_NAME + 48 + LAST_LINE > size)
			others += to->count;
		else
			put(out, to, hint);
	}
	return others;
}

void lxe_blocked_text(const struct lxe_blocked *b, const struct lxe_net_spec *spec,
	const struct lxe_net_addr *subnet, char *buf, size_t size)
{
	LXE_AUTOFREE struct lxe_net_rule *denied = NULL;
	uint64_t others = b->others;
	size_t n_denied = 0;
	FILE *out;

	buf[0] = '\0';
	if ((!b->n && !b->others) || lxe_net_denied(spec, &denied, &n_denied) < 0)
		return;
	out = fmemopen(buf, size, "w");
	if (!out)
		return;
	others += put_lines(out, b, false, spec, subnet, denied, n_denied, size);
	others += put_lines(out, b, true, spec, subnet, denied, n_denied, size);
	if (others)
		fprintf(out, "* * - %llu \n", (unsigned long long)others);
	fclose(out);
	buf[size - 1] = '\0';
}
