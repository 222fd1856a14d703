#include "policy/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lxe_net_release(struct lxe_net_spec *net)
{
	lxe_strv_release(&net->allow);
	lxe_strv_release(&net->deny);
	lxe_strv_release(&net->publish);
	free(net->proxy);
	free(net->proxy_userinfo);
	free(net->proxy_source);
	free(net->subnet);
	*net = (struct lxe_net_spec){ 0 };
}

const char *lxe_net_mode_name(enum lxe_net_mode mode)
{
	switch (mode) {
	case LXE_NET_NONE:
		return "none";
	case LXE_NET_FILTERED:
		return "filtered";
	case LXE_NET_OPEN:
		return "open";
	}
	return "?";
}

/* The option whose value needs a network, or NULL. */
static const char *asks_for_network(const struct lxe_net_spec *net)
{
	if (net->allow.n)
		return "--allow";
	if (net->publish.n)
		return "--publish";
	return net->proxy || net->proxy_source ? "--proxy" : NULL;
}

static int contradicts(const char *option, const char *mode, const char *hint, struct lxe_err *err)
{
	lxe_fail_msg(err, -EINVAL, "%s means nothing with --network %s", option, mode);
	lxe_hint(err, "%s", hint);
	return -EINVAL;
}

static int check_publish(const struct lxe_net_spec *net, struct lxe_err *err)
{
	struct lxe_net_publish a, b;
	int r = 0;

	for (size_t i = 0; r == 0 && i < net->publish.n; i++) {
		r = lxe_net_publish_parse(&a, net->publish.v[i], err);
		for (size_t k = 0; r == 0 && k < i; k++) {
			r = lxe_net_publish_parse(&b, net->publish.v[k], err);
			if (r < 0 || a.host_port != b.host_port || a.udp != b.udp)
				continue;
			if (a.anywhere || b.anywhere || lxe_net_addr_covers(&a.at, &b.at)) {
				r = lxe_fail_msg(err, -EINVAL,
					"--publish '%s' and '%s' are the same port of the host",
					net->publish.v[k], net->publish.v[i]);
				lxe_hint(err, "one port of the host leads to one port inside");
			}
		}
	}
	return r;
}

int lxe_net_settle(struct lxe_net_spec *net, struct lxe_err *err)
{
	const char *option = asks_for_network(net);

	if (!net->chosen && net->mode == LXE_NET_NONE && option)
		net->mode = LXE_NET_FILTERED;
	if (net->mode == LXE_NET_NONE && option)
		return contradicts(option, "none", "--network filtered, or open", err);
	if (net->mode == LXE_NET_NONE && net->deny.n)
		return contradicts("--deny-net", "none",
			"--network open denies what --deny-net names; with none there is nothing "
			"to deny",
			err);
	if (net->mode == LXE_NET_OPEN && (net->proxy || net->proxy_source))
		return contradicts("--proxy", "open",
			"--network filtered: then the proxy is all that can be reached", err);
	return check_publish(net, err);
}

static int add_rule(struct lxe_net_rule *rules, size_t *n, const char *text, struct lxe_err *err)
{
	int r = lxe_net_rule_parse(&rules[*n], text, err);

	*n += r == 0;
	return r;
}

static int parse_all(const struct lxe_strv *list, struct lxe_net_rule **ret, size_t *ret_n)
{
	/* Room for the proxy, and never nothing. */
	struct lxe_net_rule *rules = calloc(list->n + 1, sizeof(*rules));
	size_t n = 0;
	int r = rules ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = add_rule(rules, &n, list->v[i], NULL);
	if (r < 0) {
		free(rules);
		return r;
	}
	*ret = rules;
	*ret_n = n;
	return 0;
}

int lxe_net_allowed(const struct lxe_net_spec *net, struct lxe_net_rule **ret, size_t *n)
{
	struct lxe_net_proxy proxy;
	int r = parse_all(&net->allow, ret, n);

	if (r == 0 && net->proxy) {
		r = lxe_net_proxy_parse(&proxy, net->proxy, NULL);
		if (r == 0)
			(*ret)[(*n)++] = proxy.target;
		else
			free(*ret);
	}
	return r;
}

int lxe_net_denied(const struct lxe_net_spec *net, struct lxe_net_rule **ret, size_t *n)
{
	return parse_all(&net->deny, ret, n);
}

int lxe_net_subnet_parse(struct lxe_net_addr *ret, const char *text, struct lxe_err *err)
{
	/* A public network of others would be out of the host's reach. */
	static const struct lxe_net_addr private[] = {
		{ LXE_NET_V4, 8, { 10 } },
		{ LXE_NET_V4, 12, { 172, 16 } },
		{ LXE_NET_V4, 16, { 192, 168 } },
		{ LXE_NET_V4, 10, { 100, 64 } },
		{ LXE_NET_V4, 24, { 198, 51, 100 } }, /* documentation */
		{ LXE_NET_V4, 24, { 203, 0, 113 } },
	};
	struct lxe_net_addr addr;
	int r = lxe_net_addr_parse(&addr, text, err);

	if (r < 0)
		return r;
	if (addr.family != LXE_NET_V4 || addr.prefix < LXE_NET_SUBNET_MIN ||
		addr.prefix > LXE_NET_SUBNET_MAX) {
		lxe_fail_msg(err, -EINVAL, "'%s' is no IPv4 network of /%d to /%d", text,
			LXE_NET_SUBNET_MIN, LXE_NET_SUBNET_MAX);
		lxe_hint(err, "the default is " LXE_NET_SUBNET);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
		if (!lxe_net_addr_covers(&private[i], &addr))
			continue;
		*ret = addr;
		return 0;
	}
	lxe_fail_msg(err, -EINVAL, "'%s' is a network of public addresses", text);
	lxe_hint(err, "take one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10");
	return -EINVAL;
}
