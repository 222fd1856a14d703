#include "network/reach.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "network/plan.h"
#include "network/plan_rules.h"
#include "network/resolvconf.h"

/* Asked of the kernel and not of /sys, which may be that of another network namespace. */
static bool is_bridge(const char *name)
{
	LXE_AUTOCLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ask = { .ifr_data = (char *)&info };

	return fd >= 0 && lxe_format(ask.ifr_name, sizeof(ask.ifr_name), "%s", name) == 0 &&
	       ioctl(fd, SIOCETHTOOL, &ask) == 0 && strcmp(info.driver, "bridge") == 0;
}

static const void *bytes_of(const struct sockaddr *addr, enum lxe_net_family family)
{
	if (addr && addr->sa_family == AF_INET && family == LXE_NET_V4)
		return &((const struct sockaddr_in *)addr)->sin_addr;
	if (addr && addr->sa_family == AF_INET6 && family == LXE_NET_V6)
		return &((const struct sockaddr_in6 *)addr)->sin6_addr;
	return NULL;
}

static bool is_in(const uint8_t *addr, const uint8_t *net, const uint8_t *mask, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((addr[i] ^ net[i]) & (mask ? mask[i] : 0xff))
			return false;
	return true;
}

bool lxe_reach_is_hosts(const struct lxe_net_addr *addr, const struct ifaddrs *list,
	bool (*is_a_bridge)(const char *name))
{
	size_t size = addr->family == LXE_NET_V4 ? 4 : 16;

	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const uint8_t *own = bytes_of(i->ifa_addr, addr->family);
		const uint8_t *mask = bytes_of(i->ifa_netmask, addr->family);

		if (!own)
			continue;
		if (is_in(addr->bytes, own, NULL, size))
			return true;
		if (mask && is_in(addr->bytes, own, mask, size) && is_a_bridge(i->ifa_name))
			return true;
	}
	return false;
}

/* What a rule allows by address goes before the shield. */
static bool is_named(const struct lxe_net_rule *allowed, size_t n, const char *server)
{
	for (size_t i = 0; i < n; i++)
		if (lxe_net_rank(&allowed[i]) == LXE_NET_BY_ADDR &&
			lxe_resolvconf_is_allowed(
				&allowed[i], 1, NULL, 0, LXE_NET_FILTERED, server))
			return true;
	return false;
}

int lxe_reach_keep(struct lxe_strv *servers, const struct lxe_net_spec *spec)
{
	LXE_AUTOFREE struct lxe_net_rule *allowed = NULL;
	struct ifaddrs *list = NULL;
	struct lxe_net_addr addr;
	size_t n_allowed = 0, kept = 0;
	int r = lxe_net_allowed(spec, &allowed, &n_allowed);

	if (r < 0)
		return r;
	if (getifaddrs(&list) < 0)
		return -errno;
	for (size_t i = 0; i < servers->n; i++) {
		char *server = servers->v[i];

		/* What is none for the sandbox anyway says so by itself. */
		if (lxe_net_addr_parse(&addr, server, NULL) == 0 &&
			!is_named(allowed, n_allowed, server) &&
			(lxe_net_always_shields(&addr) ||
				lxe_reach_is_hosts(&addr, list, is_bridge)))
			free(server);
		else
			servers->v[kept++] = server;
	}
	if (kept < servers->n)
		servers->v[kept] = NULL;
	servers->n = kept;
	freeifaddrs(list);
	return 0;
}
