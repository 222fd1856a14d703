#include "network/conntrack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/num.h"
#include "sys/fd.h"

#define TYPE(message) ((NFNL_SUBSYS_CTNETLINK << 8) | (message))
/* Of CTA_FILTER_*_FLAGS, which no header for programs names: the tuple's source is to be compared. */
#define BY_SOURCE 1U
#define ROUNDS 4
/* Up to so many it is quicker to be told of all than to have the kernel look for each address by itself. */
#define FEW 2000

/* The connections that have been found, by their first tuples. */
struct found {
	const struct lxe_net_addr *addrs;
	size_t n_addrs;
	unsigned char *tuples; /* attributes, one behind the other */
	size_t used;
};

static struct nlmsghdr *begin(void *buf, uint16_t message, uint8_t af)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *about;

	header->nlmsg_type = TYPE(message);
	about = mnl_nlmsg_put_extra_header(header, sizeof(*about));
	about->nfgen_family = af;
	about->version = NFNETLINK_V0;
	return header;
}

static const struct nlattr *child(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	lxe_netlink_each_in(attr, nest) if (mnl_attr_get_type(attr) == type) return attr;
	return NULL;
}

/* Is the source of the tuple the address? */
static bool is_from(const struct nlattr *tuple, const struct lxe_net_addr *addr)
{
	bool v4 = addr->family == LXE_NET_V4;
	const struct nlattr *ip = child(tuple, CTA_TUPLE_IP), *source;

	source = ip ? child(ip, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC) : NULL;
	return source && mnl_attr_get_payload_len(source) == (v4 ? 4 : 16) &&
	       memcmp(mnl_attr_get_payload(source), addr->bytes, v4 ? 4 : 16) == 0;
}

static bool is_from_any(const struct nlattr *tuple, const struct found *found)
{
	for (size_t i = 0; i < found->n_addrs; i++)
		if (is_from(tuple, &found->addrs[i]))
			return true;
	return false;
}

static int keep(struct found *found, const struct nlattr *tuple)
{
	size_t len = MNL_ALIGN(tuple->nla_len);
	unsigned char *grown = realloc(found->tuples, found->used + len);

	if (!grown) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	memset(grown + found->used, 0, len);
	memcpy(grown + found->used, tuple, tuple->nla_len);
	found->tuples = grown;
	found->used += len;
	return MNL_CB_OK;
}

static int look(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attr, *first = NULL;
	struct found *found = arg;
	bool mine = false;

	lxe_netlink_each(attr, header, sizeof(struct nfgenmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == CTA_TUPLE_ORIG)
			first = attr;
		if (type == CTA_TUPLE_ORIG || type == CTA_TUPLE_REPLY)
			mine = mine || is_from_any(attr, found);
	}
	return mine && first ? keep(found, first) : MNL_CB_OK;
}

/* By the source of one of their tuples. Kernels before 5.8 pass the filter over, and tell of all. */
static int find_from(struct lxe_netlink *nl, struct found *found, const struct lxe_net_addr *addr,
	uint16_t tuple)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_BUF];
	bool v4 = addr->family == LXE_NET_V4, orig = tuple == CTA_TUPLE_ORIG;
	struct nlmsghdr *header = begin(buf, IPCTNL_MSG_CT_GET, v4 ? AF_INET : AF_INET6);
	struct nlattr *outer, *inner;

	outer = mnl_attr_nest_start(header, tuple);
	inner = mnl_attr_nest_start(header, CTA_TUPLE_IP);
	mnl_attr_put(header, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, v4 ? 4 : 16, addr->bytes);
	mnl_attr_nest_end(header, inner);
	mnl_attr_nest_end(header, outer);
	outer = mnl_attr_nest_start(header, CTA_FILTER);
	mnl_attr_put_u32(header, CTA_FILTER_ORIG_FLAGS, orig ? BY_SOURCE : 0);
	mnl_attr_put_u32(header, CTA_FILTER_REPLY_FLAGS, orig ? 0 : BY_SOURCE);
	mnl_attr_nest_end(header, outer);
	return lxe_netlink_dump(nl, header, look, found);
}

static int find_all(struct lxe_netlink *nl, struct found *found)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_BUF];

	return lxe_netlink_dump(nl, begin(buf, IPCTNL_MSG_CT_GET, AF_UNSPEC), look, found);
}

/* Those of this network namespace; without an answer as many as can be. */
static uint64_t how_many(void)
{
	char text[32];
	uint64_t n;

	if (sys_read_file(AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_count", text,
		    sizeof(text)) <= 0)
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	return lxe_parse_u64(text, 0, UINT32_MAX, &n) == 0 ? n : UINT64_MAX;
}

static int find(struct lxe_netlink *nl, struct found *found)
{
	int r = 0;

	if (how_many() <= FEW)
		return find_all(nl, found);
	for (size_t i = 0; r == 0 && i < found->n_addrs; i++) {
		r = find_from(nl, found, &found->addrs[i], CTA_TUPLE_ORIG);
		if (r == 0)
			r = find_from(nl, found, &found->addrs[i], CTA_TUPLE_REPLY);
	}
	return r;
}

static int forget(struct lxe_netlink *nl, const struct nlattr *tuple)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_BUF];
	const struct nlattr *ip = child(tuple, CTA_TUPLE_IP);
	struct nlmsghdr *header = begin(
		buf, IPCTNL_MSG_CT_DELETE, ip && child(ip, CTA_IP_V6_SRC) ? AF_INET6 : AF_INET);

	mnl_attr_put(header, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(tuple),
		mnl_attr_get_payload(tuple));
	return lxe_netlink_do(nl, header);
}

/* How many were found; one that has gone by itself is gone. */
static int forget_all(struct lxe_netlink *nl, const struct found *found)
{
	size_t at = 0;
	int n = 0, r;

	while (at < found->used) {
		const struct nlattr *tuple = (const struct nlattr *)(found->tuples + at);

		r = forget(nl, tuple);
		if (r < 0 && r != -ENOENT)
			return r;
		at += MNL_ALIGN(tuple->nla_len);
		n++;
	}
	return n;
}

/* -EINTR: the table changed meanwhile, and there may be more. */
static int one_round(
	struct lxe_netlink *nl, const struct lxe_net_addr *addrs, size_t n_addrs, int *total)
{
	struct found found = { .addrs = addrs, .n_addrs = n_addrs };
	int r = find(nl, &found), n;

	n = r == 0 || r == -EINTR ? forget_all(nl, &found) : 0;
	free(found.tuples);
	*total += n > 0 ? n : 0;
	return n < 0 ? n : r;
}

int lxe_conntrack_flush(const struct lxe_net_addr *addrs, size_t n)
{
	struct lxe_netlink nl;
	int r, total = 0;

	if (n == 0 || how_many() == 0)
		return 0;
	r = lxe_netlink_open(&nl, NETLINK_NETFILTER, 0);
	/* Without nf_conntrack_netlink there is nobody to be asked. */
	if (r < 0)
		return r == -EPROTONOSUPPORT ? 0 : r;
	r = -EINTR;
	for (int round = 0; r == -EINTR && round < ROUNDS; round++)
		r = one_round(&nl, addrs, n, &total);
	lxe_netlink_close(&nl);
	return r < 0 && r != -EINVAL && r != -EOPNOTSUPP ? r : total;
}

static int count(const struct nlmsghdr *header, void *arg)
{
	struct rtnl_link_stats64 stats;
	const struct nlattr *attr;
	uint64_t *packets = arg;

	lxe_netlink_each(attr, header, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) != IFLA_STATS64 ||
			mnl_attr_get_payload_len(attr) <
				offsetof(struct rtnl_link_stats64, rx_bytes))
			continue;
		memcpy(&stats, mnl_attr_get_payload(attr),
			offsetof(struct rtnl_link_stats64, rx_bytes));
		*packets = stats.rx_packets + stats.tx_packets;
	}
	return MNL_CB_OK;
}

bool lxe_conntrack_may_have(struct lxe_netlink *nl, const char *veth)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_BUF];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *about;
	uint64_t packets = UINT64_MAX;

	header->nlmsg_type = RTM_GETLINK;
	about = mnl_nlmsg_put_extra_header(header, sizeof(*about));
	about->ifi_index = (int)if_nametoindex(veth);
	return !about->ifi_index || lxe_netlink_ask(nl, header, count, &packets) < 0 || packets;
}
