/* --publish. See net.h. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "policy/net.h"

static int wrong(struct lxe_err *err, const char *text, const char *what, const char *hint)
{
	char shown[96];

	lxe_excerpt(shown, sizeof(shown), text, strlen(text));
	lxe_fail_msg(err, -EINVAL, "'%s' %s", shown, what);
	lxe_hint(err, "%s", hint ? hint : "[IP:]HOSTPORT:PORT[/tcp|/udp], such as 8080:80");
	return -EINVAL;
}

/* Cuts the port off that stands behind the last colon of `text`, or that is all of it. */
static int cut_port(char *text, uint16_t *ret, char **rest)
{
	char *colon = strrchr(text, ':');
	uint64_t port;

	if (lxe_parse_u64(colon ? colon + 1 : text, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	*ret = (uint16_t)port;
	*rest = colon ? text : NULL;
	if (colon)
		*colon = '\0';
	return 0;
}

/* The kernel routes from 127.0.0.1 when it is told to (route_localnet), but never from ::1. */
static bool is_loopback6(const struct lxe_net_addr *a)
{
	return a->family == LXE_NET_V6 &&
	       memcmp(a->bytes, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

static const char *read_address(struct lxe_net_publish *p, char *at, char *hint)
{
	size_t len = strlen(at);
	const char *bad;

	p->anywhere = false;
	if (len > 1 && at[0] == '[' && at[len - 1] == ']') {
		at++;
		len -= 2;
	} else if (strchr(at, ':')) {
		return "has an address that is neither IPv4 nor in brackets";
	}
	if (memchr(at, '/', len))
		return "has a network where an address must be";
	bad = lxe_net_addr_read(&p->at, at, len, hint);
	if (bad)
		return "has an address that is none";
	if (is_loopback6(&p->at)) {
		snprintf(
			hint, LXE_NET_HINT, "publish at 127.0.0.1, or at an address of the host's");
		return "has the address ::1, from where nothing can be passed on";
	}
	return NULL;
}

static bool cut_proto(struct lxe_net_publish *p, char *text)
{
	char *slash = strrchr(text, '/');

	if (!slash)
		return true;
	*slash = '\0';
	p->udp = strcmp(slash + 1, "udp") == 0;
	return p->udp || strcmp(slash + 1, "tcp") == 0;
}

int lxe_net_publish_parse(struct lxe_net_publish *ret, const char *text, struct lxe_err *err)
{
	struct lxe_net_publish p = { .anywhere = true };
	char copy[LXE_NET_ADDR_TEXT + 32], hint[LXE_NET_HINT] = "", *rest;
	const char *bad = NULL;

	if (lxe_format(copy, sizeof(copy), "%s", text) < 0)
		return wrong(err, text, "is too long", NULL);
	if (!cut_proto(&p, copy))
		return wrong(err, text, "is neither for /tcp nor for /udp", NULL);
	if (cut_port(copy, &p.port, &rest) < 0)
		return wrong(err, text, "has no port from 1 to 65535 inside", NULL);
	if (!rest)
		return wrong(
			err, text, "says no port of the host", "HOSTPORT:PORT, such as 8080:80");
	if (cut_port(rest, &p.host_port, &rest) < 0)
		return wrong(err, text, "has no port from 1 to 65535 of the host", NULL);
	if (rest)
		bad = read_address(&p, rest, hint);
	if (bad)
		return wrong(err, text, bad, *hint ? hint : NULL);
	*ret = p;
	return 0;
}

int lxe_net_publish_format(const struct lxe_net_publish *p, char *buf, size_t size)
{
	char at[LXE_NET_ADDR_TEXT] = "";
	bool brackets = !p->anywhere && p->at.family == LXE_NET_V6;

	if (!p->anywhere)
		lxe_net_addr_format(&p->at, at);
	return lxe_format(buf, size, "%s%s%s%s%u:%u/%s", brackets ? "[" : "", at,
		brackets ? "]" : "", p->anywhere ? "" : ":", p->host_port, p->port,
		p->udp ? "udp" : "tcp");
}
