#include "network/reach.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <string.h>

static bool is_bridge(const char *name)
{
	return strcmp(name, "br0") == 0;
}

static bool is_hosts(const char *text)
{
	struct sockaddr_in addrs[4] = { 0 };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct ifaddrs list[] = {
		{ .ifa_next = &list[1], .ifa_name = "eth0" },
		{ .ifa_next = &list[2], .ifa_name = "br0" },
		{ .ifa_next = &list[3], .ifa_name = "eth0" },
		{ .ifa_name = "eth0" },
	};
	static const char *const texts[] = { "198.51.100.2", "255.255.255.0", "203.0.113.1",
		"255.255.255.128" };
	struct lxe_net_addr addr;

	for (size_t i = 0; i < 4; i++) {
		addrs[i].sin_family = AF_INET;
		inet_pton(AF_INET, texts[i], &addrs[i].sin_addr);
	}
	inet_pton(AF_INET6, "2001:db8::2", &six.sin6_addr);
	for (size_t i = 0; i < 2; i++) {
		list[i].ifa_addr = (struct sockaddr *)&addrs[2 * i];
		list[i].ifa_netmask = (struct sockaddr *)&addrs[2 * i + 1];
	}
	/* One that has no mask, and a device that has no address. */
	list[2].ifa_addr = (struct sockaddr *)&six;
	cr_assert_eq(lxe_net_addr_parse(&addr, text, NULL), 0);
	return lxe_reach_is_hosts(&addr, list, is_bridge);
}

Test(reach, own_addresses_and_bridged_networks_are_the_hosts)
{
	cr_expect(is_hosts("198.51.100.2"));
	cr_expect_not(is_hosts("198.51.100.1"), "a neighbour on a network that is no bridge's");
	cr_expect(is_hosts("203.0.113.1"));
	cr_expect(is_hosts("203.0.113.2"));
	cr_expect_not(is_hosts("203.0.113.128"), "behind the bridge's network");
	cr_expect(is_hosts("2001:db8::2"));
	cr_expect_not(is_hosts("2001:db8::3"));
}
