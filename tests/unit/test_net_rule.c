#include "policy/net_rule.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

/* What a text becomes, in its one form; the form itself is not changed any more. */
static void becomes(const char *text, const char *form)
{
	char got[LXE_NET_RULE_TEXT], again[LXE_NET_RULE_TEXT];
	struct lxe_net_rule rule;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_net_rule_parse(&rule, text, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_net_rule_format(&rule, got, sizeof(got)), 0);
	cr_expect_str_eq(got, form);
	cr_assert_eq(lxe_net_rule_parse(&rule, got, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_net_rule_format(&rule, again, sizeof(again)), 0);
	cr_expect_str_eq(again, got);
}

static void fails(const char *text, const char *message, const char *hint)
{
	struct lxe_net_rule rule = { .n_ports = 7 };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_net_rule_parse(&rule, text, &err), -EINVAL, "%s", text);
	cr_expect_str_eq(err.msg, message);
	cr_expect(strstr(err.hint, hint), "%s: %s", text, err.hint);
	cr_expect_eq(rule.n_ports, 7, "'%s' is refused and changes something", text);
}

Test(net_rule, every_kind_of_host)
{
	becomes("*", "*");
	becomes("example.org", "example.org");
	becomes("tcp://WWW.Example.ORG.:443", "tcp://www.example.org:443");
	becomes("udp://*.example.org:53", "udp://*.example.org:53");
	becomes("xn--bcher-kva.example", "xn--bcher-kva.example");
	becomes("a_b.example:80", "a_b.example:80");
	becomes("localhost", "localhost");
	becomes("icmp://198.51.100.7", "icmp://198.51.100.7");
	becomes("198.51.100.0/24:80", "198.51.100.0/24:80");
	becomes("198.51.100.7/32", "198.51.100.7");
	becomes("0.0.0.0/0", "0.0.0.0/0");
	becomes("2001:DB8::1", "2001:db8::1");
	becomes("2001:db8:0:0::/32", "2001:db8::/32");
	becomes("[2001:db8::1]", "2001:db8::1");
	becomes("tcp://[2001:db8::1]:443", "tcp://[2001:db8::1]:443");
	becomes("[2001:db8::/32]:443", "[2001:db8::/32]:443");
	becomes("[2001:db8::]/32:443", "[2001:db8::/32]:443");
	becomes("::/0", "::/0");
	becomes("*:443", "*:443");
	becomes("4u.example", "4u.example");
}

Test(net_rule, ports_are_put_in_order)
{
	becomes("a:443,80", "a:80,443");
	becomes("a:80,81,82", "a:80-82");
	becomes("a:1-65535", "a:1-65535");
	becomes("a:90-100,80-95", "a:80-100");
	becomes("a:5-5", "a:5");
	becomes("a:1,3,5,2-4", "a:1-5");
	becomes("a:65535,65534", "a:65534-65535");
	becomes("a:10,30,20", "a:10,20,30");
}

Test(net_rule, what_is_wrong_and_where)
{
	fails("", "rule '', character 1: '' is no host", "HOST");
	fails("tcp://", "rule 'tcp://', character 7: '' is no host", "HOST");
	fails("https://a.example",
		"rule 'https://a.example', character 1: 'https' is no protocol of a rule",
		"tcp://");
	fails("TCP://a", "rule 'TCP://a', character 1: 'TCP' is no protocol of a rule", "small");
	fails("a:", "rule 'a:', character 3: '' is no port", "1 to 65535");
	fails("a:0", "rule 'a:0', character 3: '0' is no port", "1 to 65535");
	fails("a:65536", "rule 'a:65536', character 3: '65536' is no port", "1 to 65535");
	fails("a:99999999999999999999",
		"rule 'a:99999999999999999999', character 3: '99999999999999999999' is no port",
		"");
	fails("a:080", "rule 'a:080', character 3: '080' is no port", "");
	fails("a:+80", "rule 'a:+80', character 3: '+80' is no port", "");
	fails("a:http", "rule 'a:http', character 3: 'http' is no port", "");
	fails("a:80,", "rule 'a:80,', character 6: '' is no port", "");
	fails("a:80,,81", "rule 'a:80,,81', character 6: '' is no port", "");
	fails("a:90-80",
		"rule 'a:90-80', character 3: '90-80' is a range that ends before it begins",
		"LO-HI");
	fails("a:80-", "rule 'a:80-', character 6: '' is no port", "");
	fails("a:1-2-3", "rule 'a:1-2-3', character 5: '2-3' is no port", "");
	fails("a:80 ", "rule 'a:80 ', character 3: '80 ' is no port", "");
	fails("icmp://a:80",
		"rule 'icmp://a:80', character 10: '80' is for a protocol without ports",
		"icmp://HOST");
	fails("a:80:90", "rule 'a:80:90', character 1: 'a:80:90' is no IPv6 address", "");
	fails("host:80:90", "rule 'host:80:90', character 5: ':80:90' has more than one ':'", "");
}

Test(net_rule, addresses_are_strict)
{
	fails("256.1.1.1", "rule '256.1.1.1', character 1: '256.1.1.1' is no IPv4 address", "");
	fails("1.2.3", "rule '1.2.3', character 1: '1.2.3' is no IPv4 address", "");
	fails("1.2.3.04", "rule '1.2.3.04', character 1: '1.2.3.04' is no IPv4 address", "");
	fails("a.0x7f",
		"rule 'a.0x7f', character 1: 'a.0x7f' is neither a name nor an IPv4 address", "");
	fails("198.51.100.7/24",
		"rule '198.51.100.7/24', character 1: '198.51.100.7/24' has bits set behind its "
		"prefix",
		"the network is 198.51.100.0/24");
	fails("2001:db8::1/32",
		"rule '2001:db8::1/32', character 1: '2001:db8::1/32' has bits set behind its prefix",
		"the network is 2001:db8::/32");
	fails("10.0.0.0/33",
		"rule '10.0.0.0/33', character 1: '10.0.0.0/33' has no length of a prefix",
		"0 to 32");
	fails("10.0.0.0/", "rule '10.0.0.0/', character 1: '10.0.0.0/' has no length of a prefix",
		"");
	fails("10.0.0.0/08",
		"rule '10.0.0.0/08', character 1: '10.0.0.0/08' has no length of a prefix", "");
	fails("::/129", "rule '::/129', character 1: '::/129' has no length of a prefix",
		"0 to 128");
	fails("fe80::1%eth0",
		"rule 'fe80::1%eth0', character 1: 'fe80::1%eth0' has a scope, which means nothing here",
		"leave out");
	fails("[fe80::1%eth0]:80",
		"rule '[fe80::1%eth0]:80', character 1: '[fe80::1%eth0]' has a scope, which means "
		"nothing here",
		"leave out");
	fails("::ffff:198.51.100.7",
		"rule '::ffff:198.51.100.7', character 1: '::ffff:198.51.100.7' is an IPv4 address "
		"written as an IPv6 one",
		"198.51.100.7");
	fails("2001:db8::1::2",
		"rule '2001:db8::1::2', character 1: '2001:db8::1::2' is no IPv6 address", "");
	fails("[2001:db8::1",
		"rule '[2001:db8::1', character 1: '[2001:db8::1' is no IPv6 address in brackets",
		"");
	fails("[198.51.100.7]:80",
		"rule '[198.51.100.7]:80', character 1: '[198.51.100.7]' is no IPv6 address in "
		"brackets",
		"");
	fails("[2001:db8::1]80",
		"rule '[2001:db8::1]80', character 1: '[2001:db8::1]80' is no IPv6 address in "
		"brackets",
		"");
	fails("127.0.0.1:80",
		"rule '127.0.0.1:80', character 1: '127.0.0.1' is an address of the "
		"sandbox's own",
		"loopback");
	fails("[::1]:80",
		"rule '[::1]:80', character 1: '[::1]' is an address of the sandbox's own",
		"loopback");
	fails("example.org/24",
		"rule 'example.org/24', character 1: 'example.org/24' is no IPv4 address", "");
}

Test(net_rule, names_are_strict)
{
	char text[300], label[70];

	fails("b\xc3\xbc"
	      "cher.example",
		"rule 'b\xc3\xbc"
		"cher.example', character 1: 'b\xc3\xbc"
		"cher.example' is a name with other letters than those of ASCII",
		"punycode");
	fails("a..b", "rule 'a..b', character 1: 'a..b' is a name with an empty part", "");
	fails(".a", "rule '.a', character 1: '.a' is a name with an empty part", "");
	fails(".", "rule '.', character 1: '.' is no IPv4 address", "");
	fails("a..", "rule 'a..', character 1: 'a..' is a name with an empty part", "");
	fails("-a.b",
		"rule '-a.b', character 1: '-a.b' is a name with a part that begins or ends with "
		"'-'",
		"");
	fails("a-.b",
		"rule 'a-.b', character 1: 'a-.b' is a name with a part that begins or ends with "
		"'-'",
		"");
	fails("a b", "rule 'a b', character 1: 'a b' is no name", "");
	fails("a;b", "rule 'a;b', character 1: 'a;b' is no name", "");
	fails("a\nb", "rule 'a\nb', character 1: 'a\nb' is no name", "");
	fails("*.", "rule '*.', character 3: '' is no name", "");
	fails("**", "rule '**', character 1: '**' has a '*' where none may be", "every name below");
	fails("a.*.b", "rule 'a.*.b', character 1: 'a.*.b' has a '*' where none may be", "");
	fails("*.*.b", "rule '*.*.b', character 3: '*.b' has a '*' where none may be", "");
	memset(label, 'a', 63);
	label[63] = '\0';
	snprintf(text, sizeof(text), "%s.%s.%s.%.61s", label, label, label, label);
	cr_assert_eq(strlen(text), 253);
	becomes(text, text);
	strcat(text, "a");
	cr_assert_eq(lxe_net_rule_parse(&(struct lxe_net_rule){ 0 }, text, NULL), -EINVAL);
	fails(text,
		"rule 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\xe2\x80\xa6', "
		"character 1: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.\xe2\x80\xa6'"
		" is a name of more than 253 bytes",
		"");
	text[253] = '.';
	cr_assert_eq(lxe_net_rule_parse(&(struct lxe_net_rule){ 0 }, text, NULL), 0);
	snprintf(text, sizeof(text), "%sa.b", label);
	cr_assert_eq(lxe_net_rule_parse(&(struct lxe_net_rule){ 0 }, text, NULL), -EINVAL);
}

Test(net_rule, a_rule_has_64_ranges_at_most)
{
	char text[2048] = "a:";
	struct lxe_net_rule rule;
	struct lxe_err err = { 0 };
	size_t len = 2;

	for (int i = 0; i < 64; i++)
		len += (size_t)sprintf(text + len, "%s%d", i ? "," : "", 60000 - 2 * i);
	cr_assert_eq(lxe_net_rule_parse(&rule, text, &err), 0, "%s", err.msg);
	cr_assert_eq(rule.n_ports, 64);
	becomes("a:1,2,3", "a:1-3");
	strcat(text, ",1");
	cr_assert_eq(lxe_net_rule_parse(&rule, text, &err), -EINVAL);
	cr_assert(strstr(err.msg, "64 ports"), "%s", err.msg);
	memset(text, 'a', sizeof(text) - 1);
	cr_assert_eq(lxe_net_rule_parse(&rule, text, NULL), -EINVAL);
}

/* Ports in any order, against a map of all ports. */
Test(net_rule, ports_against_a_model)
{
	uint64_t state = 7;
	static bool model[65537];

	for (int round = 0; round < 300; round++) {
		char text[1024] = "a:";
		struct lxe_net_rule rule;
		size_t len = 2, k = 0;
		int n = 1 + (int)rnd_below(&state, 20);

		memset(model, 0, sizeof(model));
		for (int i = 0; i < n; i++) {
			unsigned int lo = 1 + (unsigned int)rnd_below(&state, 60),
				     hi = lo + (unsigned int)rnd_below(&state, 6);

			for (unsigned int port = lo; port <= hi; port++)
				model[port] = true;
			len += (size_t)sprintf(text + len, "%s%u-%u", i ? "," : "", lo, hi);
		}
		cr_assert_eq(lxe_net_rule_parse(&rule, text, NULL), 0);
		for (unsigned int port = 1; port <= 70; port++) {
			while (k < rule.n_ports && rule.ports[k].hi < port)
				k++;
			cr_assert_eq(k < rule.n_ports && rule.ports[k].lo <= port, model[port],
				"%s: %u", text, port);
		}
		for (size_t i = 1; i < rule.n_ports; i++)
			cr_assert_gt(rule.ports[i].lo, rule.ports[i - 1].hi + 1);
	}
}

Test(net_rule, what_a_network_covers)
{
	struct lxe_net_addr net, addr;

	cr_assert_eq(lxe_net_addr_parse(&net, "198.51.100.128/25", NULL), 0);
	cr_assert_eq(lxe_net_addr_parse(&addr, "198.51.100.200", NULL), 0);
	cr_assert(lxe_net_addr_covers(&net, &addr));
	cr_assert_not(lxe_net_addr_covers(&addr, &net));
	cr_assert_eq(lxe_net_addr_parse(&addr, "198.51.100.127", NULL), 0);
	cr_assert_not(lxe_net_addr_covers(&net, &addr));
	cr_assert_eq(lxe_net_addr_parse(&net, "::/0", NULL), 0);
	cr_assert_not(lxe_net_addr_covers(&net, &addr));
	cr_assert_eq(lxe_net_addr_parse(&addr, "2001:db8::", NULL), 0);
	cr_assert(lxe_net_addr_covers(&net, &addr));
}
