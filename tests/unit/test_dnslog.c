#include "network/dnslog.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *name_of(const struct lxe_dnslog *log, const char *text)
{
	struct lxe_net_addr addr;
	const char *name;

	cr_assert_eq(lxe_net_addr_parse(&addr, text, NULL), 0);
	name = lxe_dnslog_name_of(log, &addr);
	return name ? name : "(none)";
}

static enum lxe_dnslog_says take(struct lxe_dnslog *log, const char *line, char *name)
{
	name[0] = '\0';
	return lxe_dnslog_take(log, line, name);
}

Test(dnslog, says_that_it_has_started)
{
	struct lxe_dnslog log = { 0 };
	char name[LXE_DNSLOG_NAME];

	cr_expect_eq(take(&log, "dnsmasq[7]: started, version 2.90 cache disabled", name),
		LXE_DNSLOG_STARTED);
	cr_expect_eq(take(&log, "dnsmasq[7]: started, version 2.90 DNS disabled", name),
		LXE_DNSLOG_NOTHING);
	cr_expect_eq(take(&log, "dnsmasq: failed to create listening socket: started, ", name),
		LXE_DNSLOG_NOTHING);
	cr_expect_eq(take(&log, "", name), LXE_DNSLOG_NOTHING);
}

Test(dnslog, says_which_name_it_has_refused)
{
	struct lxe_dnslog log = { 0 };
	char name[LXE_DNSLOG_NAME];

	cr_expect_eq(take(&log, "dnsmasq[7]: 4 10.213.0.2/42741 config foo.bar is NXDOMAIN", name),
		LXE_DNSLOG_REFUSED);
	cr_expect_str_eq(name, "foo.bar");
	cr_expect_eq(
		take(&log, "dnsmasq[7]: 4 10.213.0.2/4 config 1.2.in-addr.arpa is NXDOMAIN", name),
		LXE_DNSLOG_NOTHING);
	cr_expect_eq(take(&log, "dnsmasq[7]: 4 10.213.0.2/4 config  is NXDOMAIN", name),
		LXE_DNSLOG_NOTHING);
	cr_expect_eq(
		take(&log, "dnsmasq[7]: config foo.bar is NXDOMAIN", name), LXE_DNSLOG_NOTHING);
}

Test(dnslog, knows_for_which_name_an_address_was_the_answer)
{
	struct lxe_dnslog log = { 0 };
	char name[LXE_DNSLOG_NAME];

	take(&log, "dnsmasq[7]: 1 10.213.0.2/39037 query[A] cn.example from 10.213.0.2", name);
	take(&log, "dnsmasq[7]: 2 10.213.0.2/39038 query[AAAA] six.example from 10.213.0.2", name);
	take(&log, "dnsmasq[7]: 1 10.213.0.2/39037 reply cn.example is <CNAME>", name);
	take(&log, "dnsmasq[7]: 1 10.213.0.2/39037 reply cdn.foo is 203.0.113.77", name);
	take(&log, "dnsmasq[7]: 2 10.213.0.2/39038 reply six.example is 2001:db8::9", name);
	take(&log, "dnsmasq[7]: 3 10.213.0.2/39038 reply never.asked is 203.0.113.78", name);
	cr_expect_str_eq(name_of(&log, "203.0.113.77"), "cn.example");
	cr_expect_str_eq(name_of(&log, "2001:db8::9"), "six.example");
	cr_expect_str_eq(name_of(&log, "203.0.113.78"), "(none)");
	take(&log, "dnsmasq[7]: 5 10.213.0.2/39037 query[A] other.example from 10.213.0.2", name);
	take(&log, "dnsmasq[7]: 5 10.213.0.2/39037 reply other.example is 203.0.113.77", name);
	cr_expect_str_eq(name_of(&log, "203.0.113.77"), "other.example");
}

Test(dnslog, forgets_the_oldest)
{
	struct lxe_dnslog log = { 0 };
	char line[128], name[LXE_DNSLOG_NAME];

	for (int i = 1; i <= LXE_DNSLOG_ANSWERS + 1; i++) {
		snprintf(line, sizeof(line),
			"dnsmasq[7]: %d 10.0.0.2/3 query[A] n%d.x from 10.0.0.2", i, i);
		take(&log, line, name);
		snprintf(line, sizeof(line),
			"dnsmasq[7]: %d 10.0.0.2/3 reply n%d.x is 203.0.113.%d", i, i, i);
		take(&log, line, name);
	}
	cr_expect_str_eq(name_of(&log, "203.0.113.1"), "(none)");
	cr_expect_str_eq(name_of(&log, "203.0.113.2"), "n2.x");
	cr_expect_str_eq(name_of(&log, "203.0.113.65"), "n65.x");
}

Test(dnslog, names_that_are_made_to_confuse)
{
	struct lxe_dnslog log = { 0 };
	char line[600], name[LXE_DNSLOG_NAME];

	cr_expect_eq(
		take(&log, "dnsmasq[7]: 4 1.2.3.4/5 query[A] ]: started, x from 1.2.3.4", name),
		LXE_DNSLOG_NOTHING);
	cr_expect_eq(take(&log, "dnsmasq[7]: 4 1.2.3.4/5 config a is NXDOMAIN is NXDOMAIN", name),
		LXE_DNSLOG_REFUSED);
	cr_expect_str_eq(name, "a is NXDOMAIN");
	take(&log, "dnsmasq[7]: 99999999999999999999999 1.2.3.4/5 query[A] x from 1.2.3.4", name);
	take(&log, "dnsmasq[7]: 1 1.2.3.4/5 query[A]", name);
	take(&log, "dnsmasq[7]: 1", name);
	snprintf(line, sizeof(line), "dnsmasq[7]: 1 1.2.3.4/5 config %0500d is NXDOMAIN", 0);
	cr_expect_eq(take(&log, line, name), LXE_DNSLOG_REFUSED);
	cr_expect_eq(strlen(name), LXE_DNSLOG_NAME - 1);
}
