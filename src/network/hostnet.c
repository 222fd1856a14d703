#include "network/hostnet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "network/netlink.h"
#include "network/plan.h"

#define DUMP_TRIES 8

/* Room for one more, all zero; or NULL. */
static void *grow(void **list, size_t *n, size_t size)
{
	char *bytes = *list;

	if ((*n & (*n - 1)) == 0) {
		bytes = realloc(*list, (*n ? *n * 2 : 1) * size);
		if (!bytes) {
			errno = ENOMEM;
			return NULL;
		}
		*list = bytes;
	}
	memset(bytes + *n * size, 0, size);
	return bytes + (*n)++ * size;
}

static bool is_bridge(const struct nlattr *info)
{
	const struct nlattr *attr;

	lxe_netlink_each_in(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return strcmp(mnl_attr_get_str(attr), "bridge") == 0;
	}
	return false;
}

static int take_link(const struct nlmsghdr *header, void *arg)
{
	const struct ifinfomsg *about = mnl_nlmsg_get_payload(header);
	struct lxe_host_net *host = arg;
	struct lxe_host_link *link;
	const struct nlattr *attr;

	if (header->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	link = grow((void **)&host->links, &host->n_links, sizeof(*link));
	if (!link)
		return MNL_CB_ERROR;
	link->index = (unsigned int)about->ifi_index;
	link->loopback = about->ifi_flags & IFF_LOOPBACK;
	lxe_netlink_each(attr, header, sizeof(*about))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			lxe_format(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_MASTER)
			link->port = true;
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			link->bridge = is_bridge(attr);
	}
	return MNL_CB_OK;
}

/* Refusals and black holes are kept free of traffic, not used for it. */
static bool leads_somewhere(const struct rtmsg *about)
{
	return (about->rtm_family == AF_INET || about->rtm_family == AF_INET6) &&
	       (about->rtm_type == RTN_UNICAST || about->rtm_type == RTN_LOCAL) &&
	       !(about->rtm_flags & RTM_F_CLONED);
}

static int take_route(const struct nlmsghdr *header, void *arg)
{
	const struct rtmsg *about = mnl_nlmsg_get_payload(header);
	struct lxe_host_net *host = arg;
	struct lxe_host_route *route;
	const struct nlattr *attr;
	size_t size = about->rtm_family == AF_INET ? 4 : 16;

	if (header->nlmsg_type != RTM_NEWROUTE || !leads_somewhere(about))
		return MNL_CB_OK;
	route = grow((void **)&host->routes, &host->n_routes, sizeof(*route));
	if (!route)
		return MNL_CB_ERROR;
	route->to.family = about->rtm_family == AF_INET ? LXE_NET_V4 : LXE_NET_V6;
	route->to.prefix = about->rtm_dst_len;
	route->protocol = about->rtm_protocol;
	lxe_netlink_each(attr, header, sizeof(*about))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_DST && mnl_attr_get_payload_len(attr) == size)
			memcpy(route->to.bytes, mnl_attr_get_payload(attr), size);
		else if (type == RTA_OIF && mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
			route->out = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static int dump(struct lxe_netlink *nl, uint16_t type, size_t extra, mnl_cb_t each, void *arg)
{
	union {
		struct nlmsghdr header;
		char bytes[256];
	} m;

	mnl_nlmsg_put_header(m.bytes);
	m.header.nlmsg_type = type;
	mnl_nlmsg_put_extra_header(&m.header, extra);
	return lxe_netlink_dump(nl, &m.header, each, arg);
}

static int read_once(struct lxe_host_net *host)
{
	struct lxe_netlink nl;
	int r;

	r = lxe_netlink_open(&nl, NETLINK_ROUTE, 0);
	/* In this order: a route whose device is not known is one that has gone meanwhile. */
	if (r == 0)
		r = dump(&nl, RTM_GETROUTE, sizeof(struct rtmsg), take_route, host);
	if (r == 0)
		r = dump(&nl, RTM_GETLINK, sizeof(struct ifinfomsg), take_link, host);
	lxe_netlink_close(&nl);
	return r;
}

int lxe_host_net_read(struct lxe_host_net *ret, struct lxe_err *err)
{
	struct lxe_host_net host = { 0 };
	int r = -EINTR;

	/* Where sandboxes come and go, a list changes while it is read. */
	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		lxe_host_net_release(&host);
		r = read_once(&host);
	}
	/* Rather a list with a hole where something comes or goes than none. */
	if (r < 0 && r != -EINTR) {
		lxe_host_net_release(&host);
		return lxe_fail(err, r, "read the host's routes");
	}
	host.whole = r == 0;
	*ret = host;
	return 0;
}

void lxe_host_net_release(struct lxe_host_net *host)
{
	free(host->links);
	free(host->routes);
	*host = (struct lxe_host_net){ 0 };
}

const struct lxe_host_link *lxe_host_link_of(const struct lxe_host_net *host, unsigned int index)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (host->links[i].index == index)
			return &host->links[i];
	return NULL;
}

bool lxe_host_link_is_ours(const struct lxe_host_link *link)
{
	size_t prefix = sizeof(LXE_NET_VETH_PREFIX) - 1;

	return lxe_starts_with(link->name, LXE_NET_VETH_PREFIX) &&
	       strlen(link->name) == prefix + LXE_NET_ID_LEN &&
	       strspn(link->name + prefix, "0123456789abcdef") == LXE_NET_ID_LEN;
}

/* One over several devices has none of its own. */
static bool is_gone(const struct lxe_host_net *host, const struct lxe_host_route *route)
{
	return host->whole && route->out != 0 && !lxe_host_link_of(host, route->out);
}

static bool is_to_sandbox(const struct lxe_host_net *host, const struct lxe_host_route *route)
{
	const struct lxe_host_link *link = lxe_host_link_of(host, route->out);

	return link && lxe_host_link_is_ours(link);
}

const struct lxe_host_route *lxe_host_net_collision(
	const struct lxe_host_net *host, const struct lxe_net_addr *net, bool sandboxes)
{
	for (size_t i = 0; i < host->n_routes; i++) {
		const struct lxe_host_route *route = &host->routes[i];

		if (route->to.prefix == 0 || is_gone(host, route) ||
			(!sandboxes && is_to_sandbox(host, route)))
			continue;
		if (lxe_net_addr_covers(net, &route->to) || lxe_net_addr_covers(&route->to, net))
			return route;
	}
	return NULL;
}

int lxe_host_net_bridged(const struct lxe_host_net *host, struct lxe_net_addr **ret, size_t *n)
{
	void *list = NULL;

	*n = 0;
	for (size_t i = 0; i < host->n_routes; i++) {
		const struct lxe_host_route *route = &host->routes[i];
		const struct lxe_host_link *link = lxe_host_link_of(host, route->out);
		struct lxe_net_addr *one;

		if (!link || !link->bridge || route->to.prefix == 0)
			continue;
		one = grow(&list, n, sizeof(*one));
		if (!one) {
			free(list);
			return -ENOMEM;
		}
		*one = route->to;
	}
	*ret = list;
	return 0;
}

/* Older kernels say that a route which they have learnt is their own. */
static bool is_learnt(const struct lxe_host_route *route)
{
	return route->protocol == RTPROT_RA || route->protocol == RTPROT_KERNEL;
}

bool lxe_host_net_has_v6(const struct lxe_host_net *host, bool learnt)
{
	for (size_t i = 0; i < host->n_routes; i++) {
		const struct lxe_host_route *route = &host->routes[i];
		const struct lxe_host_link *link = lxe_host_link_of(host, route->out);

		if (route->to.family == LXE_NET_V6 && route->to.prefix == 0 &&
			!(link && link->loopback) && (learnt || !is_learnt(route)))
			return true;
	}
	return false;
}
