/*
 * The parsers of rules, published ports, proxies and networks; the first byte chooses one. What is
 * accepted has one form, which is accepted again and stays the same; what is refused says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/net.h"
#include "text.h"

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void try_rule(const char *text)
{
	char once[LXE_NET_RULE_TEXT], twice[LXE_NET_RULE_TEXT];
	struct lxe_net_rule rule;
	struct lxe_err err = { 0 };

	if (lxe_net_rule_parse(&rule, text, &err) < 0) {
		expect(err.msg[0] && err.hint[0]);
		return;
	}
	expect(rule.n_ports <= LXE_NET_PORTS_MAX);
	for (size_t i = 0; i < rule.n_ports; i++)
		expect(rule.ports[i].lo && rule.ports[i].lo <= rule.ports[i].hi &&
			(!i || rule.ports[i].lo > rule.ports[i - 1].hi + 1));
	expect(lxe_net_rule_format(&rule, once, sizeof(once)) == 0);
	expect(lxe_net_rule_parse(&rule, once, &err) == 0);
	expect(lxe_net_rule_format(&rule, twice, sizeof(twice)) == 0);
	expect(strcmp(once, twice) == 0);
}

static void try_publish(const char *text)
{
	struct lxe_net_publish p;
	struct lxe_err err = { 0 };
	char once[128], twice[128];

	if (lxe_net_publish_parse(&p, text, &err) < 0) {
		expect(err.msg[0] && err.hint[0]);
		return;
	}
	expect(p.port && p.host_port);
	expect(lxe_net_publish_format(&p, once, sizeof(once)) == 0);
	expect(lxe_net_publish_parse(&p, once, &err) == 0);
	expect(lxe_net_publish_format(&p, twice, sizeof(twice)) == 0);
	expect(strcmp(once, twice) == 0);
}

static void try_proxy(const char *text)
{
	char once[LXE_NET_RULE_TEXT];
	struct lxe_net_proxy p;
	struct lxe_err err = { 0 };

	if (lxe_net_proxy_parse(&p, text, &err) < 0) {
		expect(err.msg[0] && err.hint[0]);
		return;
	}
	expect(p.userinfo_len <= LXE_NET_USERINFO_MAX);
	expect(lxe_net_proxy_format(&p, once, sizeof(once)) == 0);
	expect(lxe_net_proxy_parse(&p, once, &err) == 0 && !p.userinfo);
}

static void try_addr(const char *text)
{
	struct lxe_net_addr addr, again;
	struct lxe_err err = { 0 };
	char form[LXE_NET_ADDR_TEXT];

	if (lxe_net_addr_parse(&addr, text, &err) < 0) {
		expect(err.msg[0] && err.hint[0]);
		return;
	}
	lxe_net_addr_format(&addr, form);
	expect(lxe_net_addr_parse(&again, form, &err) == 0);
	expect(lxe_net_addr_covers(&addr, &again) && lxe_net_addr_covers(&again, &addr));
	if (lxe_net_subnet_parse(&again, text, &err) == 0)
		expect(again.family == LXE_NET_V4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);

	if (!text)
		return 0;
	switch (data[0] % 4) {
	case 0:
		try_publish(text);
		break;
	case 1:
		try_proxy(text);
		break;
	case 2:
		try_addr(text);
		break;
	default:
		try_rule(text);
		break;
	}
	free(text);
	return 0;
}
