#include "policy/net_rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define USUAL_HINT "[tcp://|udp://|icmp://]HOST[:PORT[,PORT|LO-HI...]]"
#define SHOWN 80
#define SHOWN_MAX 64
#define PUNYCODE_HINT "write it as the DNS has it, in punycode: xn--..."

struct parser {
	struct lxe_net_rule rule;
	const char *text;
	struct lxe_err *err;
};

static const char *const protos[] = {
	[LXE_NET_ANY] = "",
	[LXE_NET_TCP] = "tcp",
	[LXE_NET_UDP] = "udp",
	[LXE_NET_ICMP] = "icmp",
};

/* Cut where the rest of the message would have no room. */
static void show(char buf[SHOWN], const char *text, size_t len)
{
	static const char more[] = "\xe2\x80\xa6";
	bool cut = len > SHOWN_MAX;

	lxe_excerpt(buf, SHOWN - sizeof(more), text, cut ? SHOWN_MAX : len);
	if (cut)
		memcpy(buf + strlen(buf), more, sizeof(more));
}

/* `at`, of `len` bytes, is the part of the text that is wrong. */
static int wrong(struct parser *p, const char *at, size_t len, const char *what, const char *hint)
{
	char rule[SHOWN], part[SHOWN];

	show(rule, p->text, strlen(p->text));
	show(part, at, len);
	lxe_fail_msg(p->err, -EINVAL, "rule '%s', character %zu: '%s' %s", rule,
		(size_t)(at - p->text) + 1, part, what);
	lxe_hint(p->err, "%s", hint && *hint ? hint : USUAL_HINT);
	return -EINVAL;
}

static const char *wrong_label(const char *label, size_t len)
{
	if (len == 0)
		return "is a name with an empty part";
	if (len > 63)
		return "is a name with a part of more than 63 bytes";
	if (label[0] == '-' || label[len - 1] == '-')
		return "is a name with a part that begins or ends with '-'";
	return NULL;
}

/* What ends in a number would be read as an IPv4 address by one program, as a name by another. */
static bool is_number(const char *label)
{
	static const char digits[] = "0123456789", hex[] = "0123456789abcdef";

	return label[strspn(label, digits)] == '\0' ||
	       (lxe_starts_with(label, "0x") && label[2 + strspn(label + 2, hex)] == '\0');
}

const char *lxe_net_name(char ret[LXE_NET_NAME_MAX + 1], const char *text, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	char name[LXE_NET_NAME_MAX + 1], *label = name, *end;
	const char *bad;

	if (len > 1 && text[len - 1] == '.')
		len--;
	if (len == 0)
		return "is no name";
	if (len > LXE_NET_NAME_MAX)
		return "is a name of more than 253 bytes";
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80)
			return "is a name with other letters than those of ASCII";
		name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
		if (!name[i] || !strchr(letters, name[i]))
			return "is no name";
	}
	name[len] = '\0';
	for (;; label = end + 1) {
		end = strchrnul(label, '.');
		bad = wrong_label(label, (size_t)(end - label));
		if (bad)
			return bad;
		if (!*end)
			break;
	}
	if (is_number(label))
		return "is neither a name nor an IPv4 address";
	memcpy(ret, name, len + 1);
	return NULL;
}

static int read_name(struct parser *p, const char *text, size_t len)
{
	bool foreign = false;
	const char *bad;

	for (size_t i = 0; i < len; i++)
		foreign = foreign || (unsigned char)text[i] >= 0x80;
	p->rule.host = LXE_NET_NAME;
	if (len > 1 && text[0] == '*' && text[1] == '.') {
		p->rule.host = LXE_NET_BELOW;
		text += 2;
		len -= 2;
	}
	if (memchr(text, '*', len))
		return wrong(p, text, len, "has a '*' where none may be",
			"* alone is everywhere, *.NAME every name below NAME");
	bad = lxe_net_name(p->rule.name, text, len);
	return bad ? wrong(p, text, len, bad, foreign ? PUNYCODE_HINT : NULL) : 0;
}

/* What is inside anyway, and what is no destination. */
static bool is_own(const struct lxe_net_addr *addr)
{
	static const struct lxe_net_addr own[] = {
		{ LXE_NET_V4, 8, { 127 } },
		{ LXE_NET_V4, 32, { 0 } },
		{ LXE_NET_V6, 128, { [15] = 1 } },
		{ LXE_NET_V6, 128, { 0 } },
	};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (lxe_net_addr_covers(&own[i], addr))
			return true;
	return false;
}

/* `at` is where `text` stands in the rule. */
static int read_addr_at(struct parser *p, const char *at, size_t at_len, const char *text)
{
	char hint[LXE_NET_HINT];
	const char *bad = lxe_net_addr_read(&p->rule.addr, text, strlen(text), hint);

	if (bad)
		return wrong(p, at, at_len, bad, hint);
	if (is_own(&p->rule.addr))
		return wrong(p, at, at_len, "is an address of the sandbox's own",
			"inside, loopback is never filtered; the host's cannot be reached");
	p->rule.host = LXE_NET_ADDR;
	return 0;
}

static int read_addr(struct parser *p, const char *text, size_t len)
{
	char copy[LXE_NET_ADDR_TEXT * 2];

	if (lxe_format(copy, sizeof(copy), "%.*s", (int)len, text) < 0)
		return wrong(p, text, len, "is no address", NULL);
	return read_addr_at(p, text, len, copy);
}

static bool looks_like_addr(const char *text, size_t len)
{
	static const char marks[] = "/:%";
	bool numeric = true;

	for (size_t i = 0; i < len; i++) {
		if (text[i] && strchr(marks, text[i]))
			return true;
		numeric = numeric && ((text[i] >= '0' && text[i] <= '9') || text[i] == '.');
	}
	return numeric && len > 0;
}

static int read_host(struct parser *p, const char *text, size_t len)
{
	if (len == 0)
		return wrong(p, text, len, "is no host", NULL);
	if (len == 1 && text[0] == '*') {
		p->rule.host = LXE_NET_EVERYWHERE;
		return 0;
	}
	return looks_like_addr(text, len) ? read_addr(p, text, len) : read_name(p, text, len);
}

/* Keeps them ascending and apart. False: no room. */
static bool add_ports(struct lxe_net_rule *rule, uint32_t lo, uint32_t hi)
{
	size_t first = 0, last;

	while (first < rule->n_ports && rule->ports[first].hi + 1U < lo)
		first++;
	for (last = first; last < rule->n_ports && rule->ports[last].lo <= hi + 1U; last++) {
		lo = lo < rule->ports[last].lo ? lo : rule->ports[last].lo;
		hi = hi > rule->ports[last].hi ? hi : rule->ports[last].hi;
	}
	if (last == first && rule->n_ports == LXE_NET_PORTS_MAX)
		return false;
	memmove(&rule->ports[first + 1], &rule->ports[last],
		(rule->n_ports - last) * sizeof(rule->ports[0]));
	rule->ports[first] = (struct lxe_net_ports){ (uint16_t)lo, (uint16_t)hi };
	rule->n_ports = rule->n_ports + 1 - (last - first);
	return true;
}

/* A number that need not end where the text does. */
static int read_port(struct parser *p, const char *text, size_t len, uint64_t *ret)
{
	char copy[8] = "";
	int r = len < sizeof(copy) ? 0 : -EINVAL;

	if (r == 0) {
		memcpy(copy, text, len);
		r = lxe_parse_u64(copy, 1, UINT16_MAX, ret);
	}
	if (r == 0)
		return 0;
	return wrong(p, text, len, "is no port", "a port is a number from 1 to 65535");
}

static int read_range(struct parser *p, const char *text, size_t len)
{
	const char *dash = memchr(text, '-', len);
	size_t first = dash ? (size_t)(dash - text) : len;
	uint64_t lo = 0, hi = 0;
	int r = read_port(p, text, first, &lo);

	hi = lo;
	if (r == 0 && dash)
		r = read_port(p, dash + 1, len - first - 1, &hi);
	if (r < 0)
		return r;
	if (hi < lo)
		return wrong(p, text, len, "is a range that ends before it begins", "LO-HI: 80-90");
	if (!add_ports(&p->rule, (uint32_t)lo, (uint32_t)hi))
		return wrong(p, text, len, "is one more than the 64 ports and ranges of a rule",
			"write a second rule for the others");
	return 0;
}

static int read_ports(struct parser *p, const char *text)
{
	int r = 0;

	if (p->rule.proto == LXE_NET_ICMP)
		return wrong(p, text, strlen(text), "is for a protocol without ports",
			"icmp://HOST; ports are those of tcp:// and udp://");
	for (const char *end; r == 0; text = end + 1) {
		end = strchrnul(text, ',');
		r = read_range(p, text, (size_t)(end - text));
		if (!*end)
			break;
	}
	return r;
}

/* [ADDRESS]:PORTS, and as [2001:db8::]/32:443 may be meant, too: [2001:db8::/32]:443. */
static int read_bracketed(struct parser *p, const char *text)
{
	const char *close = strchr(text, ']'), *end;
	char copy[LXE_NET_ADDR_TEXT * 2];
	int r;

	end = close ? strchrnul(close, ':') : text + strlen(text);
	if (!close || !memchr(text, ':', (size_t)(close - text)) ||
		(end > close + 1 && close[1] != '/') ||
		lxe_format(copy, sizeof(copy), "%.*s%.*s", (int)(close - text - 1), text + 1,
			(int)(end - close - 1), close + 1) < 0)
		return wrong(p, text, (size_t)(end - text), "is no IPv6 address in brackets",
			"[2001:db8::1]:443");
	r = read_addr_at(p, text, (size_t)(end - text), copy);
	return r == 0 && *end ? read_ports(p, end + 1) : r;
}

/* Several colons are those of an IPv6 address, unless what stands around them can be none. */
static int read_colons(struct parser *p, const char *text, const char *colon)
{
	if (text[strspn(text, "0123456789abcdefABCDEF:./")] == '\0' || strchr(text, '%'))
		return read_addr(p, text, strlen(text));
	return wrong(p, colon, strlen(colon), "has more than one ':'",
		"several ports: HOST:80,443; an IPv6 address in front of ports: [ADDRESS]:443");
}

static int read_target(struct parser *p, const char *text)
{
	const char *colon = strchr(text, ':');
	int r;

	if (text[0] == '[')
		return read_bracketed(p, text);
	if (colon && strchr(colon + 1, ':'))
		return read_colons(p, text, colon);
	r = read_host(p, text, colon ? (size_t)(colon - text) : strlen(text));
	return r == 0 && colon ? read_ports(p, colon + 1) : r;
}

static int read_proto(struct parser *p, const char *text, size_t len)
{
	for (enum lxe_net_proto proto = LXE_NET_TCP; proto <= LXE_NET_ICMP; proto++) {
		if (strlen(protos[proto]) != len || memcmp(protos[proto], text, len) != 0)
			continue;
		p->rule.proto = proto;
		return 0;
	}
	return wrong(p, text, len, "is no protocol of a rule",
		"tcp://, udp:// or icmp://, in small letters; https is tcp://HOST:443");
}

int lxe_net_rule_parse(struct lxe_net_rule *ret, const char *text, struct lxe_err *err)
{
	struct parser p = { .text = text, .err = err };
	const char *slashes = strstr(text, "://");
	int r = 0;

	if (strlen(text) >= LXE_NET_RULE_TEXT)
		return wrong(&p, text, strlen(text), "is too long", NULL);
	if (slashes)
		r = read_proto(&p, text, (size_t)(slashes - text));
	if (r == 0)
		r = read_target(&p, slashes ? slashes + 3 : text);
	if (r == 0)
		*ret = p.rule;
	return r;
}

static void put_ports(FILE *out, const struct lxe_net_rule *rule)
{
	for (size_t i = 0; i < rule->n_ports; i++) {
		const struct lxe_net_ports *ports = &rule->ports[i];

		fprintf(out, "%c%u", i ? ',' : ':', ports->lo);
		if (ports->hi != ports->lo)
			fprintf(out, "-%u", ports->hi);
	}
}

static void put_host(FILE *out, const struct lxe_net_rule *rule)
{
	char addr[LXE_NET_ADDR_TEXT];
	bool brackets;

	switch (rule->host) {
	case LXE_NET_EVERYWHERE:
		fputc('*', out);
		return;
	case LXE_NET_NAME:
		fputs(rule->name, out);
		return;
	case LXE_NET_BELOW:
		fprintf(out, "*.%s", rule->name);
		return;
	case LXE_NET_ADDR:
		lxe_net_addr_format(&rule->addr, addr);
		brackets = rule->addr.family == LXE_NET_V6 && rule->n_ports;
		fprintf(out, brackets ? "[%s]" : "%s", addr);
		return;
	}
}

int lxe_net_rule_format(const struct lxe_net_rule *rule, char *buf, size_t size)
{
	FILE *out = fmemopen(buf, size, "w");
	int r;

	if (!out)
		return -ENOMEM;
	if (rule->proto != LXE_NET_ANY)
		fprintf(out, "%s://", protos[rule->proto]);
	put_host(out, rule);
	put_ports(out, rule);
	fputc('\0', out);
	r = fflush(out) != 0 || ferror(out) ? -ENAMETOOLONG : 0;
	fclose(out);
	return r;
}
