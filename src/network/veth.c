#include "network/veth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/link.h"
#include "network/sysctl.h"

#define CONF6_PATH 96
#define OFF "disable_ipv6"

union message {
	struct nlmsghdr header;
	char bytes[LXE_NETLINK_BUF];
};

static struct ifinfomsg *link_message(union message *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(m->bytes);

	header->nlmsg_type = type;
	header->nlmsg_flags = flags;
	return mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
}

/* By itself the kernel makes one for each processor, and then uses one of each. */
static void put_queues(union message *m)
{
	mnl_attr_put_u32(&m->header, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(&m->header, IFLA_NUM_RX_QUEUES, 1);
}

/* From inside: the other end goes to the namespace that `netns` is of. */
static int make_pair(struct lxe_netlink *nl, const char *name, int netns)
{
	struct nlattr *info, *data, *peer;
	union message m;

	link_message(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(&m.header, IFLA_IFNAME, LXE_VETH_INSIDE);
	put_queues(&m);
	info = mnl_attr_nest_start(&m.header, IFLA_LINKINFO);
	mnl_attr_put_strz(&m.header, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(&m.header, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(&m.header, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(&m.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&m.header, IFLA_IFNAME, name);
	mnl_attr_put_u32(&m.header, IFLA_NET_NS_FD, (uint32_t)netns);
	put_queues(&m);
	mnl_attr_nest_end(&m.header, peer);
	mnl_attr_nest_end(&m.header, data);
	mnl_attr_nest_end(&m.header, info);
	return lxe_netlink_do(nl, &m.header);
}

static int add_address(
	struct lxe_netlink *nl, unsigned int index, int family, const void *address, uint8_t prefix)
{
	size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	struct ifaddrmsg *about;
	union message m;

	m.header = (struct nlmsghdr){ 0 };
	mnl_nlmsg_put_header(m.bytes);
	m.header.nlmsg_type = RTM_NEWADDR;
	m.header.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	about = mnl_nlmsg_put_extra_header(&m.header, sizeof(*about));
	*about = (struct ifaddrmsg){
		.ifa_family = (uint8_t)family, .ifa_prefixlen = prefix, .ifa_index = index
	};
	/* Nobody else can have it: no waiting for a duplicate. */
	if (family == AF_INET6)
		mnl_attr_put_u32(&m.header, IFA_FLAGS, IFA_F_NODAD);
	mnl_attr_put(&m.header, IFA_LOCAL, size, address);
	mnl_attr_put(&m.header, IFA_ADDRESS, size, address);
	return lxe_netlink_do(nl, &m.header);
}

static int add_default_route(
	struct lxe_netlink *nl, unsigned int index, int family, const void *gateway)
{
	size_t size = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	struct rtmsg *about;
	union message m;

	mnl_nlmsg_put_header(m.bytes);
	m.header.nlmsg_type = RTM_NEWROUTE;
	m.header.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	about = mnl_nlmsg_put_extra_header(&m.header, sizeof(*about));
	*about = (struct rtmsg){ .rtm_family = (unsigned char)family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST };
	mnl_attr_put(&m.header, RTA_GATEWAY, size, gateway);
	mnl_attr_put_u32(&m.header, RTA_OIF, index);
	return lxe_netlink_do(nl, &m.header);
}

static int set_up(struct lxe_netlink *nl, unsigned int index, bool up)
{
	struct ifinfomsg *about;
	union message m;

	about = link_message(&m, RTM_NEWLINK, 0);
	about->ifi_index = (int)index;
	about->ifi_change = IFF_UP;
	about->ifi_flags = up ? IFF_UP : 0;
	return lxe_netlink_do(nl, &m.header);
}

static unsigned int index_of(const char *name)
{
	return if_nametoindex(name);
}

static void conf6(char path[CONF6_PATH], const char *device, const char *what)
{
	snprintf(path, CONF6_PATH, "/proc/sys/net/ipv6/conf/%s/%s", device, what);
}

static int set_conf6(const char *device, const char *what, int value)
{
	char path[CONF6_PATH];

	conf6(path, device, what);
	return lxe_sysctl_set(path, value);
}

static int check_v6(const char *device, bool on)
{
	char path[CONF6_PATH];
	int now;

	conf6(path, device, OFF);
	now = lxe_sysctl_read(path);
	/* A kernel without IPv6. */
	if (now < 0)
		return now == -ENOENT && !on ? 0 : now;
	return now == (on ? '0' : '1') ? 0 : -EIO;
}

/*
 * A device begins with what `default` says, which newer kernels let one write without waiting for anybody. Those that are made
 * inside later begin as they would have.
 */
static int make_pair_inside(struct lxe_netlink *nl, const struct lxe_veth *veth, int home)
{
	char path[CONF6_PATH];
	int before, restored, r = 0;

	conf6(path, "default", OFF);
	before = lxe_sysctl_read(path);
	if (before >= 0)
		r = lxe_sysctl_set(path, veth->v6 ? '0' : '1');
	if (r == 0)
		r = make_pair(nl, veth->name, home);
	restored = before < 0 ? 0 : lxe_sysctl_set(path, before);
	if (r == 0)
		r = restored;
	return r < 0 ? r : check_v6(LXE_VETH_INSIDE, veth->v6);
}

/* The device's own, over netlink: whoever asks for them sleeps until his turn, and all of them are one question. */
static int harden_v4(struct lxe_netlink *nl, unsigned int index, const struct lxe_veth *veth)
{
	const struct {
		uint16_t what;
		bool value;
	} settings[] = {
		{ IPV4_DEVCONF_FORWARDING, true },
		{ IPV4_DEVCONF_RP_FILTER, true },
		{ IPV4_DEVCONF_ACCEPT_REDIRECTS, false },
		{ IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE, false },
		{ IPV4_DEVCONF_SEND_REDIRECTS, false },
		{ IPV4_DEVCONF_ROUTE_LOCALNET, veth->localnet },
	};
	struct nlattr *spec, *inet, *conf;
	union message m;

	link_message(&m, RTM_NEWLINK, 0)->ifi_index = (int)index;
	spec = mnl_attr_nest_start(&m.header, IFLA_AF_SPEC);
	inet = mnl_attr_nest_start(&m.header, AF_INET);
	conf = mnl_attr_nest_start(&m.header, IFLA_INET_CONF);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		mnl_attr_put_u32(&m.header, settings[i].what, settings[i].value);
	mnl_attr_nest_end(&m.header, conf);
	mnl_attr_nest_end(&m.header, inet);
	mnl_attr_nest_end(&m.header, spec);
	return lxe_netlink_do(nl, &m.header);
}

/*
 * What the host believes of packets from a sandbox: no sender but its address, no route, no router. Ours
 * to set: the device ends with the sandbox.
 */
static int harden(struct lxe_netlink *nl, unsigned int index, const struct lxe_veth *veth)
{
	int r = harden_v4(nl, index, veth);

	if (r == 0)
		r = set_conf6(veth->name, OFF, veth->v6 ? '0' : '1');
	if (r == 0 || r == -ENOENT)
		r = check_v6(veth->name, veth->v6);
	if (r < 0 || !veth->v6)
		return r;
	r = set_conf6(veth->name, "accept_ra", '0');
	if (r == 0)
		r = set_conf6(veth->name, "accept_redirects", '0');
	if (r < 0)
		return r;
	r = set_conf6(veth->name, "force_forwarding", '1');
	return r == -ENOENT ? 0 : r; /* Linux 6.17; see forwarding.c */
}

/* One end: the addresses, and up last. */
static int set_up_end(struct lxe_netlink *nl, unsigned int index, const struct in_addr *v4,
	const struct in6_addr *v6)
{
	int r = add_address(nl, index, AF_INET, v4, LXE_VETH_PREFIX4);

	if (r == 0 && v6)
		r = add_address(nl, index, AF_INET6, v6, LXE_VETH_PREFIX6);
	return r < 0 ? r : set_up(nl, index, true);
}

static int set_up_host(struct lxe_netlink *nl, const struct lxe_veth *veth)
{
	unsigned int index = index_of(veth->name);
	int r = index ? harden(nl, index, veth) : -ENODEV;

	return r < 0 ? r
		     : set_up_end(nl, index, &veth->gateway4, veth->v6 ? &veth->gateway6 : NULL);
}

static int set_up_inside(struct lxe_netlink *nl, unsigned int index, const struct lxe_veth *veth)
{
	int r = set_up_end(nl, index, &veth->guest4, veth->v6 ? &veth->guest6 : NULL);

	if (r == 0)
		r = add_default_route(nl, index, AF_INET, &veth->gateway4);
	if (r == 0 && veth->v6)
		r = add_default_route(nl, index, AF_INET6, &veth->gateway6);
	return r;
}

/* Two sockets of a namespace: for questions, and for news. */
struct side {
	struct lxe_netlink nl, news;
};

static int open_side(struct side *side)
{
	int r = lxe_netlink_open(&side->nl, NETLINK_ROUTE, 0);

	return r < 0 ? r : lxe_netlink_open(&side->news, NETLINK_ROUTE, 0);
}

static void close_side(struct side *side)
{
	lxe_netlink_close(&side->nl);
	lxe_netlink_close(&side->news);
}

/* In the container's namespace, and back: the pair, and sockets that stay there. */
static int make(struct side *inside, unsigned int *index, const struct lxe_veth *veth, int pidfd,
	struct lxe_err *err)
{
	LXE_AUTOCLOSE int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0)
		return lxe_fail(err, -errno, "open the network namespace");
	/* Without a look at a pid that may be another's by now. */
	if (setns(pidfd, CLONE_NEWNET) < 0)
		return lxe_fail(err, -errno, "enter the container's network namespace");
	r = open_side(inside);
	if (r == 0)
		r = make_pair_inside(&inside->nl, veth, home);
	*index = index_of(LXE_VETH_INSIDE);
	if (setns(home, CLONE_NEWNET) < 0)
		return lxe_fail(err, -errno, "leave the container's network namespace");
	if (r == -EOPNOTSUPP)
		lxe_hint(err, "this kernel has no veth devices: modprobe veth, or --network none");
	return r < 0 ? lxe_fail(err, r, "make the network device '%s'", veth->name) : 0;
}

int lxe_veth_create(const struct lxe_veth *veth, int pidfd, struct lxe_err *err)
{
	struct side here = { 0 }, inside = { 0 };
	unsigned int index = 0;
	int r;

	r = make(&inside, &index, veth, pidfd, err);
	if (r == 0) {
		r = open_side(&here);
		if (r == 0)
			r = set_up_host(&here.nl, veth);
		if (r < 0)
			lxe_fail(err, r, "set up the network device '%s'", veth->name);
	}
	if (r == 0) {
		r = set_up_inside(&inside.nl, index, veth);
		if (r < 0)
			lxe_fail(err, r, "set up '%s' in the container", LXE_VETH_INSIDE);
	}
	if (r == 0) {
		r = lxe_link_await_up(&here.nl, &here.news, index_of(veth->name));
		if (r == 0)
			r = lxe_link_await_up(&inside.nl, &inside.news, index);
		if (r < 0)
			lxe_fail(err, r, "wait for the network device '%s'", veth->name);
	}
	close_side(&inside);
	close_side(&here);
	return r;
}

int lxe_veth_cut(struct lxe_netlink *nl, const char *name)
{
	unsigned int index = index_of(name);
	int r;

	if (!index)
		return 0;
	r = set_up(nl, index, false);
	return r == -ENODEV ? 0 : r;
}

static int remove_link(struct lxe_netlink *nl, unsigned int index)
{
	struct ifinfomsg *about;
	union message m;
	int r;

	about = link_message(&m, RTM_DELLINK, 0);
	about->ifi_index = (int)index;
	r = lxe_netlink_do(nl, &m.header);
	return r == -ENODEV ? 0 : r;
}

int lxe_veth_await_end(struct lxe_netlink *nl, const char *name, int timeout_ms)
{
	unsigned int index = lxe_link_await_end(name, timeout_ms);

	return index ? remove_link(nl, index) : 0;
}
