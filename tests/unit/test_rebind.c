#include "network/rebind.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX 4096

struct ranges {
	struct lxe_net_addr net[8192];
	size_t n;
	char text[4096];
};

static void take(void *arg, const struct lxe_net_addr *net)
{
	struct ranges *r = arg;
	char text[LXE_NET_ADDR_TEXT];
	size_t len = strlen(r->text);

	lxe_net_addr_format(net, text);
	snprintf(r->text + len, sizeof(r->text) - len, "%s ", text);
	r->net[r->n++] = *net;
}

static struct ranges *ranges_of(enum lxe_net_mode mode, const char *const *allowed, size_t n)
{
	struct lxe_net_rule *rules = calloc(n + 1, sizeof(*rules));
	struct ranges *ret = calloc(1, sizeof(*ret));
	struct lxe_rebind_in in = { .mode = mode, .allowed = rules, .n_allowed = n };

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(lxe_net_rule_parse(&rules[i], allowed[i], NULL), 0, "%s", allowed[i]);
	cr_assert_eq(lxe_rebind_ranges(&in, take, ret), 0);
	free(rules);
	return ret;
}

static bool is_refused(const struct ranges *r, const char *text)
{
	struct lxe_net_addr addr;

	cr_assert_eq(lxe_net_addr_parse(&addr, text, NULL), 0, "%s", text);
	for (size_t i = 0; i < r->n; i++)
		if (lxe_net_addr_covers(&r->net[i], &addr))
			return true;
	return false;
}

static void check(const struct ranges *r, const char *refused, const char *let)
{
	char words[512], *save = NULL;

	snprintf(words, sizeof(words), "%s", refused);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		cr_expect(is_refused(r, w), "%s is not refused", w);
	snprintf(words, sizeof(words), "%s", let);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		cr_expect(!is_refused(r, w), "%s is refused", w);
}

Test(rebind, refuses_what_is_not_the_internet)
{
	struct ranges *r = ranges_of(LXE_NET_FILTERED, NULL, 0);

	check(r,
		"127.0.0.1 127.255.255.255 0.0.0.0 10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 "
		"192.168.0.1 169.254.169.254 100.64.0.1 224.0.0.1 255.255.255.255 ::1 :: fe80::1 fc00::1 "
		"fd12::1 ff02::1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe",
		"1.1.1.1 9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 203.0.113.9 198.51.100.1 "
		"2001:db8::1 2606:4700::1 64:ff9b::808:808 223.255.255.255");
	free(r);
}

Test(rebind, lets_through_what_a_rule_names_by_address)
{
	static const char *const rules[] = { "10.1.0.0/16", "tcp://192.168.7.9:443",
		"[fd00:1::]/32", "*.example.com" };
	struct ranges *r = ranges_of(LXE_NET_FILTERED, rules, 4);

	check(r, "10.0.255.255 10.2.0.0 192.168.7.8 192.168.7.10 fd00:2::1 fc00::1 127.0.0.1",
		"10.1.0.0 10.1.255.255 192.168.7.9 fd00:1::1 fd00:1:ffff::1");
	free(r);
}

Test(rebind, everywhere_names_no_network)
{
	static const char *const rules[] = { "tcp://*:443", "0.0.0.0/0" };
	struct ranges *r = ranges_of(LXE_NET_FILTERED, rules, 2);

	check(r, "10.0.0.1 127.0.0.1", "1.1.1.1");
	free(r);
}

Test(rebind, a_wider_rule_takes_a_whole_range_out)
{
	static const char *const rules[] = { "8.0.0.0/5", "10.0.0.0/8", "10.0.0.0/16",
		"10.0.0.0/8" };
	struct ranges *r = ranges_of(LXE_NET_FILTERED, rules, 4);

	check(r, "127.0.0.1", "10.0.0.1 10.200.0.1");
	free(r);
}

Test(rebind, in_an_open_network_private_addresses_are_let_through)
{
	struct ranges *r = ranges_of(LXE_NET_OPEN, NULL, 0);

	check(r, "127.0.0.1 169.254.169.254 ::1 fe80::1", "10.0.0.1 192.168.1.1 fd00::1");
	free(r);
}

Test(rebind, halves_a_network_around_an_address)
{
	static const char *const rules[] = { "198.18.0.0" };
	struct ranges *r = ranges_of(LXE_NET_FILTERED, rules, 1);

	cr_assert_not_null(
		strstr(r->text,
			"198.18.0.1 198.18.0.2/31 198.18.0.4/30 198.18.0.8/29 198.18.0.16/28 198.18.0.32/27 "
			"198.18.0.64/26 198.18.0.128/25 198.18.1.0/24 198.18.2.0/23 198.18.4.0/22 "
			"198.18.8.0/21 198.18.16.0/20 198.18.32.0/19 198.18.64.0/18 198.18.128.0/17 "
			"198.19.0.0/16 "),
		"%s", r->text);
	free(r);
}

Test(rebind, the_hosts_own_networks_are_refused_as_well)
{
	struct lxe_net_addr own = { LXE_NET_V4, 24, { 198, 51, 100 } };
	struct lxe_rebind_in in = { .mode = LXE_NET_OPEN, .shielded = &own, .n_shielded = 1 };
	struct ranges *r = calloc(1, sizeof(*r));

	cr_assert_eq(lxe_rebind_ranges(&in, take, r), 0);
	check(r, "198.51.100.7", "198.51.101.7 10.0.0.1");
	free(r);
}
