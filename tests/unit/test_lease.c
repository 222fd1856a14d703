#include "network/lease.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "run_fixture.h"

TestSuite(lease, .init = make_run, .fini = remove_run);

static struct lxe_net_addr net(const char *text)
{
	struct lxe_net_addr addr;

	cr_assert_eq(lxe_net_addr_parse(&addr, text, NULL), 0, "%s", text);
	return addr;
}

static const struct lxe_host_net nothing;

static int take(struct lxe_lease *lease, const char *subnet, const char *id,
	const struct lxe_host_net *host, struct lxe_err *err)
{
	return lxe_lease_take(lease, run, subnet, id, host, err);
}

static void expect(const struct in_addr *addr, const char *text)
{
	char shown[INET_ADDRSTRLEN];

	cr_assert_str_eq(inet_ntop(AF_INET, addr, shown, sizeof(shown)), text);
}

Test(lease, a_subnet_has_networks_of_four_addresses)
{
	struct lxe_net_addr subnet = net("10.213.0.0/16");
	struct lxe_lease lease;

	cr_assert_eq(lxe_lease_count(&subnet), 16384);
	lxe_lease_addresses(&lease, &subnet, 0);
	expect(&lease.gateway4, "10.213.0.1");
	expect(&lease.guest4, "10.213.0.2");
	lxe_lease_addresses(&lease, &subnet, 16383);
	expect(&lease.gateway4, "10.213.255.253");
	expect(&lease.guest4, "10.213.255.254");
	cr_assert_eq(memcmp(&lease.guest6.s6_addr[12], &lease.guest4, 4), 0);

	subnet = net("10.0.0.0/30");
	cr_assert_eq(lxe_lease_count(&subnet), 1);
	subnet = net("10.0.0.0/31");
	cr_assert_eq(lxe_lease_count(&subnet), 0);
}

Test(lease, is_nobody_elses_until_its_last_holder_is_gone)
{
	struct lxe_lease one, two, three;
	struct lxe_err err = { 0 };
	int copy;

	cr_assert_eq(lxe_lease_any(run), 0);
	cr_assert_eq(take(&one, "203.0.113.0/29", "aaaaaaaaaaaa", &nothing, &err), 0);
	cr_assert_eq(take(&two, "203.0.113.0/29", "aaaaaaaaaaaa", &nothing, &err), 0);
	cr_assert_neq(one.guest4.s_addr, two.guest4.s_addr);
	cr_assert_eq(take(&three, "203.0.113.0/29", "bbbbbbbbbbbb", &nothing, &err), -ENOSPC);
	cr_assert(strstr(err.msg, "full"), "%s", err.msg);
	cr_assert(strstr(err.hint, "--subnet"), "%s", err.hint);
	/* A copy holds it, as a fork of the keeper's does, unless it is given back. */
	copy = dup(one.fd);
	lxe_close(one.fd);
	cr_assert_eq(take(&three, "203.0.113.0/29", "bbbbbbbbbbbb", &nothing, NULL), -ENOSPC);
	lxe_lease_give_back(copy, one.guest4);
	cr_assert_eq(take(&three, "203.0.113.0/29", "bbbbbbbbbbbb", &nothing, NULL), 0);
	cr_assert_eq(three.guest4.s_addr, one.guest4.s_addr);
	lxe_close(two.fd);
	lxe_close(three.fd);
	cr_assert_eq(lxe_lease_any(run), 0);
	lxe_close(copy);
}

Test(lease, a_subnet_that_the_host_uses_is_refused_and_the_usual_one_gives_way)
{
	struct lxe_host_link link = { .index = 2, .name = "eth7" };
	struct lxe_host_route routes[] = { { .to = net("0.0.0.0/0"), .out = 2 },
		{ .to = net("10.0.0.0/8"), .out = 2 } };
	const struct lxe_host_net host = {
		.links = &link, .n_links = 1, .routes = routes, .n_routes = 2
	};
	struct lxe_err err = { 0 };
	struct lxe_lease lease;

	cr_assert_eq(take(&lease, "10.213.0.0/16", "aaaaaaaaaaaa", &host, &err), -EADDRINUSE);
	cr_assert(strstr(err.msg, "10.0.0.0/8 on eth7"), "%s", err.msg);
	cr_assert_eq(take(&lease, NULL, "aaaaaaaaaaaa", &host, NULL), 0);
	cr_assert_neq(lease.subnet.bytes[0], 10);
	lxe_close(lease.fd);
	/* A route into a part of it is as bad as one to all of it. */
	routes[1].to = net("10.213.7.0/24");
	cr_assert_eq(take(&lease, "10.213.0.0/16", "aaaaaaaaaaaa", &host, NULL), -EADDRINUSE);
}

Test(lease, what_a_crashed_sandbox_still_has_is_passed_over)
{
	struct lxe_host_link link = { .index = 2, .name = "lxe0123abcd" };
	struct lxe_host_route route = { .to = net("203.0.113.0/30"), .out = 2 };
	const struct lxe_host_net host = {
		.links = &link, .n_links = 1, .routes = &route, .n_routes = 1
	};
	struct lxe_lease lease;

	for (char id[] = "aaaaaaaaaaaa"; id[0] < 'g'; id[0]++) {
		cr_assert_eq(take(&lease, "203.0.113.0/29", id, &host, NULL), 0);
		expect(&lease.guest4, "203.0.113.6");
		lxe_close(lease.fd);
	}
	/* A device whose name only begins like ours is the host's. */
	snprintf(link.name, sizeof(link.name), "lxebr0");
	cr_assert_eq(take(&lease, "203.0.113.0/29", "aaaaaaaaaaaa", &host, NULL), -EADDRINUSE);
}

/* As one that ends between two questions to the kernel. */
Test(lease, a_route_whose_device_has_gone_is_in_nobodys_way)
{
	struct lxe_net_addr subnet = net("198.51.100.0/24");
	struct lxe_host_link other = { .name = "up0", .index = 6 };
	struct lxe_host_route route = { .to = net("198.51.100.4/30"), .out = 7 };
	struct lxe_host_net host = {
		.links = &other, .n_links = 1, .routes = &route, .n_routes = 1, .whole = true
	};

	cr_expect_null(lxe_host_net_collision(&host, &subnet, false));
	cr_expect_null(lxe_host_net_collision(&host, &subnet, true));
	/* It may be that only its device was not seen. */
	host.whole = false;
	cr_expect_eq(lxe_host_net_collision(&host, &subnet, false), &route);
	host.whole = true;
	other.index = 7;
	cr_expect_eq(lxe_host_net_collision(&host, &subnet, false), &route);
	/* One over several. */
	route.out = 0;
	cr_expect_eq(lxe_host_net_collision(&host, &subnet, false), &route);
}
