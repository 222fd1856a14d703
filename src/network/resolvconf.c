#include "network/resolvconf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DNS_PORT 53
#define KEYWORD "nameserver"

/* With a scope, as fe80::1%eth0 has it, or without. */
static bool is_address(const char *text)
{
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t len = strcspn(text, "%");

	if (len >= sizeof(plain))
		return false;
	memcpy(plain, text, len);
	plain[len] = '\0';
	for (const char *c = text + len + (text[len] == '%'); *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return false;
	if (inet_pton(AF_INET6, plain, &addr) == 1)
		return true;
	return !text[len] && inet_pton(AF_INET, plain, &addr) == 1;
}

static int take_line(struct lxe_strv *ret, const char *line, size_t len)
{
	char server[INET6_ADDRSTRLEN + 20];
	size_t n;

	if (len <= strlen(KEYWORD) || memcmp(line, KEYWORD, strlen(KEYWORD)) != 0)
		return 0;
	line += strlen(KEYWORD);
	n = strspn(line, " \t");
	if (n == 0)
		return 0;
	line += n;
	n = strcspn(line, " \t\r\n#;");
	if (n == 0 || n >= sizeof(server))
		return 0;
	memcpy(server, line, n);
	server[n] = '\0';
	return is_address(server) ? lxe_strv_add(ret, server) : 0;
}

int lxe_resolvconf_servers(struct lxe_strv *ret, const char *text)
{
	int r = 0;

	for (const char *end; r == 0 && *text; text = end + (*end != '\0')) {
		end = strchrnul(text, '\n');
		r = take_line(ret, text, (size_t)(end - text));
	}
	return r;
}

/* Without its scope. */
static bool read_addr(struct lxe_net_addr *ret, const char *server)
{
	char plain[LXE_NET_ADDR_TEXT];

	return lxe_format(plain, sizeof(plain), "%.*s", (int)strcspn(server, "%"), server) == 0 &&
	       lxe_net_addr_parse(ret, plain, NULL) == 0;
}

bool lxe_resolvconf_is_local(const char *server)
{
	static const struct lxe_net_addr local[] = {
		{ LXE_NET_V4, 8, { 127 } },
		{ LXE_NET_V4, 8, { 0 } },
		{ LXE_NET_V6, 127, { 0 } },
	};
	struct lxe_net_addr addr;

	if (strchr(server, '%') || !read_addr(&addr, server))
		return true;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (lxe_net_addr_covers(&local[i], &addr))
			return true;
	return false;
}

int lxe_resolvconf_text(char **ret, const struct lxe_strv *servers, const char *why)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	if (servers->n == 0)
		fprintf(out, "# %s\n", why);
	for (size_t i = 0; i < servers->n; i++)
		fprintf(out, "nameserver %s\n", servers->v[i]);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return 0;
}

static bool covers(const struct lxe_net_rule *rule, const struct lxe_net_addr *addr)
{
	if (rule->host == LXE_NET_ADDR ? !lxe_net_addr_covers(&rule->addr, addr)
				       : rule->host != LXE_NET_EVERYWHERE)
		return false;
	if (rule->proto != LXE_NET_ANY && rule->proto != LXE_NET_UDP)
		return false;
	for (size_t i = 0; i < rule->n_ports; i++)
		if (rule->ports[i].lo <= DNS_PORT && DNS_PORT <= rule->ports[i].hi)
			return true;
	return rule->n_ports == 0;
}

static bool any_covers(const struct lxe_net_rule *rules, size_t n, const struct lxe_net_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (covers(&rules[i], addr))
			return true;
	return false;
}

bool lxe_resolvconf_is_allowed(const struct lxe_net_rule *allowed, size_t n_allowed,
	const struct lxe_net_rule *denied, size_t n_denied, enum lxe_net_mode mode,
	const char *server)
{
	struct lxe_net_addr addr;

	if (lxe_resolvconf_is_local(server) || !read_addr(&addr, server))
		return false;
	if (any_covers(denied, n_denied, &addr))
		return false;
	return mode == LXE_NET_OPEN || any_covers(allowed, n_allowed, &addr);
}
