#include "client/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/source.h"
#include "policy/secret.h"

#define URL_MAX 2048

static int fails(struct lxe_err *err, int r, const struct lxe_net_spec *net)
{
	lxe_fail(err, r, "read the proxy's URL from '%s'", net->proxy_source);
	lxe_hint(err, "env:VARIABLE, file:PATH or fd:N, with http://USER:PASSWORD@HOST:PORT in it");
	return r;
}

static int read_file(char *buf, int fd)
{
	ssize_t n = lxe_source_read(fd, buf, URL_MAX, LXE_SOURCE_MS);

	if (n < 0)
		return (int)n;
	buf[n < URL_MAX ? n : 0] = '\0';
	return n < URL_MAX ? 0 : -E2BIG;
}

static int read_source(char *buf, const char *source)
{
	LXE_AUTOCLOSE int file = -EBADF;
	struct lxe_secret_source s;
	char pair[4096 + 8];
	const char *value;
	int r = lxe_format(pair, sizeof(pair), "proxy=%s", source);

	if (r == 0)
		r = lxe_secret_parse(&s, pair, NULL);
	if (r < 0)
		return r;
	switch (s.kind) {
	case LXE_SECRET_ENV:
		value = getenv(s.from);
		return value ? lxe_format(buf, URL_MAX, "%s", value) : -ENOENT;
	case LXE_SECRET_FD:
		return read_file(buf, s.fd);
	case LXE_SECRET_FILE:
		file = lxe_source_open(s.from);
		return file < 0 ? file : read_file(buf, file);
	}
	return -EINVAL;
}

static int split(char **url, char **userinfo, const char *text, struct lxe_err *err)
{
	char form[LXE_NET_RULE_TEXT];
	struct lxe_net_proxy proxy;
	int r = lxe_net_proxy_parse(&proxy, text, err);

	if (r == 0)
		r = lxe_net_proxy_format(&proxy, form, sizeof(form));
	if (r == 0)
		r = lxe_str_set(url, form);
	if (r == 0 && proxy.userinfo) {
		*userinfo = strndup(proxy.userinfo, proxy.userinfo_len);
		r = *userinfo ? 0 : -ENOMEM;
	}
	return r;
}

int lxe_client_read_proxy(
	char **url, char **userinfo, const struct lxe_net_spec *net, struct lxe_err *err)
{
	char text[URL_MAX + 1] = "";
	size_t len;
	int r;

	if (!net->proxy_source)
		return 0;
	r = read_source(text, net->proxy_source);
	if (r < 0)
		return fails(err, r, net);
	len = strlen(text);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	r = split(url, userinfo, text, err);
	explicit_bzero(text, sizeof(text));
	return r < 0 ? fails(err, r, net) : 0;
}

int lxe_client_settle_network(struct lxe_net_spec *net, struct lxe_err *err)
{
	int r = lxe_client_read_proxy(&net->proxy, &net->proxy_userinfo, net, err);

	return r < 0 ? r : lxe_net_settle(net, err);
}
