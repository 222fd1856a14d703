#include "network/veth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define CARRIER_MS 2000
#define OPER_UP 6 /* IF_OPER_UP of linux/if.h, which does not go with net/if.h */

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

static int make_pair(struct lxe_netlink *nl, const struct lxe_veth *veth, int netns)
{
	struct nlattr *info, *data, *peer;
	union message m;

	link_message(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(&m.header, IFLA_IFNAME, veth->name);
	info = mnl_attr_nest_start(&m.header, IFLA_LINKINFO);
	mnl_attr_put_strz(&m.header, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(&m.header, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(&m.header, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(&m.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&m.header, IFLA_IFNAME, LXE_VETH_INSIDE);
	mnl_attr_put_u32(&m.header, IFLA_NET_NS_FD, (uint32_t)netns);
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

/* A file of /proc/sys/net is that of the namespace of whoever opens it. No file: no IPv6 in this kernel. */
static int switch_v6(const char *name, bool on)
{
	char path[96], now[8] = "";
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	r = sys_write_file(AT_FDCWD, path, on ? "0" : "1");
	if (r == -ENOENT)
		return on ? r : 0;
	if (r == 0)
		r = (int)sys_read_file(AT_FDCWD, path, now, sizeof(now));
	if (r < 0)
		return r;
	return now[0] == (on ? '0' : '1') ? 0 : -EIO;
}

/*
 * What the host believes of packets from a sandbox: no sender but its address, no route, no router. Ours
 * to set: the device ends with the sandbox.
 */
static int harden(const char *name, const struct lxe_veth *veth)
{
	const struct {
		const char *family, *file, *value;
		bool wanted, optional;
	} settings[] = {
		{ "ipv4", "forwarding", "1", true, false },
		{ "ipv4", "rp_filter", "1", true, false },
		{ "ipv4", "accept_redirects", "0", true, false },
		{ "ipv4", "accept_source_route", "0", true, false },
		{ "ipv4", "send_redirects", "0", true, false },
		{ "ipv4", "route_localnet", "1", veth->localnet, false },
		{ "ipv6", "accept_ra", "0", veth->v6, false },
		{ "ipv6", "accept_redirects", "0", veth->v6, false },
		{ "ipv6", "force_forwarding", "1", veth->v6,
			true }, /* Linux 6.17; see forwarding.c */
	};
	char path[96];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (!settings[i].wanted)
			continue;
		snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", settings[i].family,
			name, settings[i].file);
		r = sys_write_file(AT_FDCWD, path, settings[i].value);
		if (r == -ENOENT && settings[i].optional)
			r = 0;
	}
	return r;
}

/* One end: IPv6 as it is to be, then the addresses, and up last. */
static int set_up_end(const struct lxe_veth *veth, const char *name, const struct in_addr *v4,
	const struct in6_addr *v6, bool inside)
{
	unsigned int index = index_of(name);
	struct lxe_netlink nl;
	int r;

	if (!index)
		return -ENODEV;
	r = lxe_netlink_open(&nl, NETLINK_ROUTE, 0);
	if (r == 0)
		r = switch_v6(name, veth->v6);
	if (r == 0 && !inside)
		r = harden(name, veth);
	if (r == 0)
		r = add_address(&nl, index, AF_INET, v4, LXE_VETH_PREFIX4);
	if (r == 0 && veth->v6)
		r = add_address(&nl, index, AF_INET6, v6, LXE_VETH_PREFIX6);
	if (r == 0)
		r = set_up(&nl, index, true);
	if (r == 0 && inside)
		r = add_default_route(&nl, index, AF_INET, &veth->gateway4);
	if (r == 0 && inside && veth->v6)
		r = add_default_route(&nl, index, AF_INET6, &veth->gateway6);
	lxe_netlink_close(&nl);
	return r;
}

static int set_up_inside(const struct lxe_veth *veth, int home, int other)
{
	int r;

	if (setns(other, CLONE_NEWNET) < 0)
		return -errno;
	r = set_up_end(veth, LXE_VETH_INSIDE, &veth->guest4, &veth->guest6, true);
	if (setns(home, CLONE_NEWNET) < 0)
		return -errno;
	return r;
}

/* The namespace of a process, without a look at a pid that may be another's by now. */
static int netns_of(int pidfd, int home)
{
	int fd, r;

	if (setns(pidfd, CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : fd;
	if (setns(home, CLONE_NEWNET) < 0) {
		r = -errno;
		lxe_close(fd);
	}
	return r;
}

/* What has changed is not read from the news: what matters is asked for anyway. */
static void await_news(struct lxe_netlink *nl, int timeout_ms)
{
	struct pollfd p = { .fd = mnl_socket_get_fd(nl->socket), .events = POLLIN };
	char buf[LXE_NETLINK_DUMP];

	if (poll(&p, 1, timeout_ms) > 0)
		(void)!recv(p.fd, buf, sizeof(buf), MSG_DONTWAIT);
}

static int read_state(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attr;

	if (header->nlmsg_type == RTM_NEWLINK)
		lxe_netlink_each(attr, header, sizeof(struct ifinfomsg))
		{
			if (mnl_attr_get_type(attr) == IFLA_OPERSTATE)
				*(uint8_t *)arg = mnl_attr_get_u8(attr);
		}
	return MNL_CB_OK;
}

/*
 * The end that was up first drops what it is to send until the kernel's own work has seen that the other
 * one is there: a first packet that is lost costs a second. Since Linux 6.9 the question itself sees to it.
 */
static int await_carrier(const char *name)
{
	uint64_t now = sys_now_ms(), end = now + CARRIER_MS;
	unsigned int index = index_of(name);
	uint8_t state = 0;
	struct ifinfomsg *about;
	struct lxe_netlink nl;
	union message m;
	int r;

	r = lxe_netlink_open(&nl, NETLINK_ROUTE, LXE_VETH_NEWS);
	while (r == 0 && state != OPER_UP && now < end) {
		about = link_message(&m, RTM_GETLINK, 0);
		about->ifi_index = (int)index;
		r = lxe_netlink_ask(&nl, &m.header, read_state, &state);
		if (r == 0 && state != OPER_UP)
			await_news(&nl, (int)(end - now));
		now = sys_now_ms();
	}
	lxe_netlink_close(&nl);
	return r == 0 && state != OPER_UP ? -ETIMEDOUT : r;
}

int lxe_veth_create(const struct lxe_veth *veth, int pidfd, struct lxe_err *err)
{
	LXE_AUTOCLOSE int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	LXE_AUTOCLOSE int other = -EBADF;
	struct lxe_netlink nl;
	int r;

	if (home < 0)
		return lxe_fail(err, -errno, "open the network namespace");
	other = netns_of(pidfd, home);
	if (other < 0)
		return lxe_fail(err, other, "enter the container's network namespace");
	r = lxe_netlink_open(&nl, NETLINK_ROUTE, 0);
	if (r == 0)
		r = make_pair(&nl, veth, other);
	lxe_netlink_close(&nl);
	if (r == -EOPNOTSUPP)
		lxe_hint(err, "this kernel has no veth devices: modprobe veth, or --network none");
	if (r < 0)
		return lxe_fail(err, r, "make the network device '%s'", veth->name);
	r = set_up_end(veth, veth->name, &veth->gateway4, &veth->gateway6, false);
	if (r < 0)
		return lxe_fail(err, r, "set up the network device '%s'", veth->name);
	r = set_up_inside(veth, home, other);
	if (r < 0)
		return lxe_fail(err, r, "set up '%s' in the container", LXE_VETH_INSIDE);
	r = await_carrier(veth->name);
	return r < 0 ? lxe_fail(err, r, "wait for the network device '%s'", veth->name) : 0;
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
	uint64_t now = sys_now_ms(), end = now + (uint64_t)timeout_ms;
	unsigned int index;

	while ((index = index_of(name)) != 0 && now < end) {
		await_news(nl, (int)(end - now));
		now = sys_now_ms();
	}
	if (!index)
		return 0;
	return remove_link(nl, index);
}
