#include "network/resolvconf.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *text, const char *joined)
{
	struct lxe_strv servers = { 0 };
	char buf[256] = "";

	cr_assert_eq(lxe_resolvconf_servers(&servers, text), 0);
	for (size_t i = 0; i < servers.n; i++) {
		strcat(buf, servers.v[i]);
		strcat(buf, " ");
	}
	cr_expect_str_eq(buf, joined, "'%s': '%s'", text, buf);
	lxe_strv_release(&servers);
}

Test(resolvconf, servers_are_what_stands_behind_the_keyword)
{
	expect("nameserver 203.0.113.1\nnameserver 2001:db8::1\n", "203.0.113.1 2001:db8::1 ");
	expect("search x\nnameserver\t203.0.113.1 # c\nnameserver fe80::1%eth0",
		"203.0.113.1 fe80::1%eth0 ");
	expect("nameserver 203.0.113.1\r\n", "203.0.113.1 ");
	expect("", "");
	expect("#nameserver 203.0.113.1\n;nameserver 203.0.113.1\n nameserver 203.0.113.1\n", "");
	expect("nameservers 203.0.113.1\nnameserver\nnameserver \nnameserver ns.example\n", "");
	expect("nameserver 203.0.113.1#53\nnameserver 203.0.113.256\nnameserver ::1%a/b\n",
		"203.0.113.1 ");
}

Test(resolvconf, of_the_machine_itself)
{
	static const char *const local[] = { "127.0.0.53", "127.0.0.1", "::1", "0.0.0.0",
		"fe80::1%eth0" };
	static const char *const other[] = { "203.0.113.1", "10.0.0.1", "2001:db8::1" };

	for (size_t i = 0; i < 5; i++)
		cr_expect(lxe_resolvconf_is_local(local[i]), "%s", local[i]);
	for (size_t i = 0; i < 3; i++)
		cr_expect_not(lxe_resolvconf_is_local(other[i]), "%s", other[i]);
}

Test(resolvconf, of_a_sandbox)
{
	struct lxe_strv servers = { 0 };
	char *text;

	cr_assert_eq(lxe_resolvconf_text(&text, &servers, "no rule allows a name"), 0);
	cr_expect_str_eq(text, "# no rule allows a name\n");
	free(text);
	lxe_strv_add(&servers, "203.0.113.1");
	lxe_strv_add(&servers, "2001:db8::1");
	cr_assert_eq(lxe_resolvconf_text(&text, &servers, "none"), 0);
	cr_expect_str_eq(text, "nameserver 203.0.113.1\nnameserver 2001:db8::1\n");
	free(text);
	lxe_strv_release(&servers);
}

static bool allows(const char *allow, const char *deny, enum lxe_net_mode mode, const char *server)
{
	struct lxe_net_rule a, d;

	if (allow)
		cr_assert_eq(lxe_net_rule_parse(&a, allow, NULL), 0, "%s", allow);
	if (deny)
		cr_assert_eq(lxe_net_rule_parse(&d, deny, NULL), 0, "%s", deny);
	return lxe_resolvconf_is_allowed(&a, allow != NULL, &d, deny != NULL, mode, server);
}

Test(resolvconf, servers_that_the_rules_let_a_sandbox_ask)
{
	const enum lxe_net_mode f = LXE_NET_FILTERED, o = LXE_NET_OPEN;

	cr_expect(allows("udp://203.0.113.1:53", NULL, f, "203.0.113.1"));
	cr_expect(allows("203.0.113.0/24", NULL, f, "203.0.113.1"));
	cr_expect(allows("*:50-60", NULL, f, "203.0.113.1"));
	cr_expect(allows(NULL, NULL, o, "203.0.113.1"));
	cr_expect_not(allows(NULL, NULL, f, "203.0.113.1"));
	cr_expect_not(allows("tcp://203.0.113.1:53", NULL, f, "203.0.113.1"));
	cr_expect_not(allows("udp://203.0.113.1:54", NULL, f, "203.0.113.1"));
	cr_expect_not(allows("udp://203.0.113.2:53", NULL, f, "203.0.113.1"));
	cr_expect_not(allows("203.0.113.1", "203.0.113.0/24", f, "203.0.113.1"));
	cr_expect_not(allows(NULL, "*:53", o, "203.0.113.1"));
	cr_expect_not(allows("*", NULL, f, "127.0.0.53"));
}
