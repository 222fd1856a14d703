/* What a sandbox is told of names: its resolv.conf and hosts. See resolver.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "keeper/view.h"
#include "network/resolvconf.h"
#include "rootfs/etc.h"

#define ROOTFS LXE_VIEW_DIR "/m"
#define MARK " # lxc-exec --proxy\n"

/* The host's servers that the rules let the sandbox ask. */
static int allowed_servers(const struct lxe_keeper *k, struct lxe_strv *ret)
{
	const struct lxe_net_spec *net = &k->main->spec.net;
	LXE_AUTOFREE struct lxe_net_rule *allowed = NULL;
	LXE_AUTOFREE struct lxe_net_rule *denied = NULL;
	size_t n_allowed = 0, n_denied = 0;
	int r;

	r = lxe_net_allowed(net, &allowed, &n_allowed);
	if (r == 0)
		r = lxe_net_denied(net, &denied, &n_denied);
	for (size_t i = 0; r == 0 && i < k->resolver.servers.n; i++) {
		const char *server = k->resolver.servers.v[i];

		if (lxe_resolvconf_is_allowed(
			    allowed, n_allowed, denied, n_denied, net->mode, server))
			r = lxe_strv_add(ret, server);
	}
	return r;
}

static int gateway_alone(struct lxe_strv *ret, const struct in_addr *gateway)
{
	char text[INET_ADDRSTRLEN];

	if (!inet_ntop(AF_INET, gateway, text, sizeof(text)))
		return -errno;
	return lxe_strv_add(ret, text);
}

static int put_resolv_conf(
	struct lxe_keeper *k, const struct lxe_resolver_given *given, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	struct lxe_strv servers = { 0 };
	int r;

	r = k->resolver.n ? gateway_alone(&servers, &given->gateway4)
			  : allowed_servers(k, &servers);
	if (r == 0)
		r = lxe_resolvconf_text(&text, &servers,
			"no rule of this sandbox allows a name, or a server that knows names");
	lxe_strv_release(&servers);
	if (r < 0)
		return lxe_fail(err, r, "write the sandbox's resolv.conf");
	return lxe_etc_put(ROOTFS, "resolv.conf", text, lxe_idmap_host(&k->idmap, 0), err);
}

/* Its lines without those that an earlier start has written. */
static void put_others(FILE *out, const char *hosts)
{
	const char *end;

	for (; *hosts; hosts = end) {
		const char *mark = strstr(hosts, MARK);

		end = strchr(hosts, '\n');
		end = end ? end + 1 : hosts + strlen(hosts);
		if (mark && mark + strlen(MARK) == end)
			continue;
		fprintf(out, "%.*s%s", (int)(end - hosts), hosts, end[-1] == '\n' ? "" : "\n");
	}
}

static int hosts_text(
	char **ret, const char *before, const char *name, const struct lxe_resolver_given *given)
{
	char addr[LXE_NET_ADDR_TEXT];
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	put_others(out, before);
	for (size_t i = 0; i < given->n_proxy; i++) {
		lxe_net_addr_format(&given->proxy[i], addr);
		fprintf(out, "%s %s" MARK, addr, name);
	}
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}

static int put_hosts(
	struct lxe_keeper *k, const struct lxe_resolver_given *given, struct lxe_err *err)
{
	LXE_AUTOFREE char *before = NULL;
	LXE_AUTOFREE char *text = NULL;
	struct lxe_net_proxy proxy;
	int r;

	r = lxe_net_proxy_parse(&proxy, k->main->spec.net.proxy, NULL);
	if (r == 0)
		r = lxe_etc_get(ROOTFS, "hosts", &before);
	if (r == 0)
		r = hosts_text(&text, before, proxy.target.name, given);
	if (r < 0)
		return lxe_fail(err, r, "write the sandbox's hosts");
	return lxe_etc_put(ROOTFS, "hosts", text, lxe_idmap_host(&k->idmap, 0), err);
}

int lxe_keeper_resolver_files(
	struct lxe_keeper *k, const struct lxe_resolver_given *given, struct lxe_err *err)
{
	int r = put_resolv_conf(k, given, err);

	if (r == 0 && given->n_proxy)
		r = put_hosts(k, given, err);
	return r;
}
