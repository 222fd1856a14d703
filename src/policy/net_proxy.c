/* The URL of a proxy. See net.h: what may be a password is in no message. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/net.h"

#define USUAL_HINT "http://HOST:PORT; also https, socks5 and socks5h"

static int wrong(struct lxe_err *err, const char *what)
{
	lxe_fail_msg(err, -EINVAL, "the proxy's URL %s", what);
	lxe_hint(err, USUAL_HINT);
	return -EINVAL;
}

static const char *scheme_of(const char *text)
{
	static const char *const schemes[] = { "http", "https", "socks5", "socks5h" };
	const char *end = strstr(text, "://");

	for (size_t i = 0; end && i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i]) == (size_t)(end - text) &&
			memcmp(schemes[i], text, (size_t)(end - text)) == 0)
			return schemes[i];
	return NULL;
}

/* Printable, and no more than a line: it goes into an environment variable. */
static bool is_userinfo(const char *text, size_t len)
{
	static const char out[] = "/?#[]@\"<>\\^`{|}";

	if (len == 0 || len > LXE_NET_USERINFO_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr(out, text[i]))
			return false;
	return true;
}

/* HOST:PORT, which is what a rule has behind tcp://. */
static int read_target(struct lxe_net_proxy *p, const char *at, size_t len, struct lxe_err *err)
{
	char text[LXE_NET_NAME_MAX + 32];
	int r;

	if (lxe_format(text, sizeof(text), "tcp://%.*s", (int)len, at) < 0)
		return wrong(err, "is too long");
	r = lxe_net_rule_parse(&p->target, text, err);
	if (r < 0)
		return lxe_fail(err, r, "the proxy's URL");
	if (p->target.host == LXE_NET_EVERYWHERE || p->target.host == LXE_NET_BELOW ||
		(p->target.host == LXE_NET_ADDR && strchr(text + 6, '/')))
		return wrong(err, "names no single host");
	if (p->target.n_ports != 1 || p->target.ports[0].lo != p->target.ports[0].hi)
		return wrong(err, "names no single port");
	return 0;
}

int lxe_net_proxy_parse(struct lxe_net_proxy *ret, const char *text, struct lxe_err *err)
{
	const char *scheme = scheme_of(text), *host, *end, *at;
	struct lxe_net_proxy p = { 0 };
	int r;

	if (!scheme)
		return wrong(err, "does not begin with http://, https://, socks5:// or socks5h://");
	host = strstr(text, "://") + 3;
	at = strrchr(host, '@');
	if (at) {
		p.userinfo = host;
		p.userinfo_len = (size_t)(at - host);
		if (!is_userinfo(p.userinfo, p.userinfo_len)) {
			wrong(err, "has a user and password that are no part of a URL");
			return -EINVAL;
		}
		host = at + 1;
	}
	end = strchrnul(host, '/');
	if (*end && end[1])
		return wrong(err, "has a path");
	r = read_target(&p, host, (size_t)(end - host), err);
	if (r < 0)
		return r;
	r = lxe_format(p.scheme, sizeof(p.scheme), "%s", scheme);
	if (r == 0)
		*ret = p;
	return r;
}

int lxe_net_proxy_format(const struct lxe_net_proxy *p, char *buf, size_t size)
{
	char target[LXE_NET_RULE_TEXT];
	int r = lxe_net_rule_format(&p->target, target, sizeof(target));

	return r < 0 ? r : lxe_format(buf, size, "%s://%s", p->scheme, target + strlen("tcp://"));
}
