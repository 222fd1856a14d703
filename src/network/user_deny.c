#include "network/user_deny.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "network/plan.h"
#include "policy/net_rule.h"

#define NAME "lxe"
#define BATCH_BYTES 16384
#define TYPE_AT 12U /* of an Ethernet frame's, and where its packet begins */
#define PACKET_AT 14U
#define TO_AT 16U /* of a packet's */

/* libmnl is the helper's: this is the keeper's child. Bytes beyond the end are counted, and not written. */
struct batch {
	_Alignas(struct nlmsghdr) unsigned char bytes[BATCH_BYTES];
	size_t len, message;
	uint32_t seq;
};

static size_t put(struct batch *b, const void *data, size_t len)
{
	size_t at = b->len;

	b->len += NLMSG_ALIGN(len);
	if (b->len <= sizeof(b->bytes) && data)
		memcpy(b->bytes + at, data, len);
	return at;
}

static size_t put_attr(struct batch *b, uint16_t type, const void *data, size_t len)
{
	const struct nlattr attr = { .nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + len) };
	size_t at = put(b, &attr, sizeof(attr));

	if (len)
		put(b, data, len);
	return at;
}

static void put_text(struct batch *b, uint16_t type, const char *text)
{
	put_attr(b, type, text, strlen(text) + 1);
}

static void put_u32(struct batch *b, uint16_t type, uint32_t value)
{
	value = htonl(value);
	put_attr(b, type, &value, sizeof(value));
}

static size_t nest(struct batch *b, uint16_t type)
{
	return put_attr(b, type | NLA_F_NESTED, NULL, 0);
}

/* The length of what began at `at` and ends here. */
static void close_nest(struct batch *b, size_t at)
{
	uint16_t len = (uint16_t)(b->len - at);

	if (b->len <= sizeof(b->bytes))
		memcpy(b->bytes + at + offsetof(struct nlattr, nla_len), &len, sizeof(len));
}

static void begin(struct batch *b, uint16_t type, uint16_t flags)
{
	const struct nlmsghdr header = {
		.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++b->seq
	};

	b->message = put(b, &header, sizeof(header));
}

static void end(struct batch *b)
{
	uint32_t len = (uint32_t)(b->len - b->message);

	if (b->len <= sizeof(b->bytes))
		memcpy(b->bytes + b->message + offsetof(struct nlmsghdr, nlmsg_len), &len,
			sizeof(len));
}

/* The kernel answers before send() returns: every complaint is there, or that there is none. */
static int hear(int fd)
{
	_Alignas(struct nlmsghdr) unsigned char bytes[8192];
	int r = -EBADMSG; /* not even an acknowledgement */

	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		const struct nlmsghdr *h = (const struct nlmsghdr *)bytes;

		if (n <= 0)
			return n < 0 && errno != EAGAIN ? -errno : r;
		for (size_t left = (size_t)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
				continue;
			if (e->error < 0)
				return e->error;
			r = 0;
		}
	}
	return -EMSGSIZE;
}

static int tell(const struct batch *b, int bus)
{
	LXE_AUTOCLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (fd < 0)
		return -errno;
	if (b->len > sizeof(b->bytes))
		return -EMSGSIZE;
	if (sendto(fd, b->bytes, b->len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return hear(fd);
}

static int put_route(const struct lxe_net_addr *net)
{
	struct batch b = { 0 };
	const struct rtmsg route = { .rtm_family = AF_INET,
		.rtm_dst_len = net->prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_PROHIBIT };

	begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK);
	put(&b, &route, sizeof(route));
	put_attr(&b, RTA_DST, net->bytes, 4);
	end(&b);
	return tell(&b, NETLINK_ROUTE);
}

static void begin_nft(struct batch *b, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg about = { .nfgen_family = NFPROTO_NETDEV };

	begin(b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags);
	put(b, &about, sizeof(about));
}

static void put_edge(struct batch *b, uint16_t type)
{
	const struct nfgenmsg about = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	begin(b, type, 0);
	put(b, &about, sizeof(about));
	end(b);
}

static void put_chain(struct batch *b, const char *device)
{
	size_t hook;

	begin_nft(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	put_text(b, NFTA_TABLE_NAME, NAME);
	end(b);
	begin_nft(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	put_text(b, NFTA_CHAIN_TABLE, NAME);
	put_text(b, NFTA_CHAIN_NAME, NAME);
	hook = nest(b, NFTA_CHAIN_HOOK);
	put_u32(b, NFTA_HOOK_HOOKNUM, NF_NETDEV_EGRESS);
	put_u32(b, NFTA_HOOK_PRIORITY, 0);
	put_text(b, NFTA_HOOK_DEV, device);
	close_nest(b, hook);
	put_u32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
	put_text(b, NFTA_CHAIN_TYPE, "filter");
	end(b);
}

struct expr {
	size_t elem, data;
};

static struct expr begin_expr(struct batch *b, const char *name)
{
	struct expr expr = { .elem = nest(b, NFTA_LIST_ELEM) };

	put_text(b, NFTA_EXPR_NAME, name);
	expr.data = nest(b, NFTA_EXPR_DATA);
	return expr;
}

static void end_expr(struct batch *b, const struct expr *expr)
{
	close_nest(b, expr->data);
	close_nest(b, expr->elem);
}

/* Goes on to the next expression where those bytes, under the mask, are these. At most four. */
static void put_match(struct batch *b, uint32_t base, uint32_t at, const unsigned char *bytes,
	const unsigned char *mask, uint32_t len)
{
	static const unsigned char zero[4];
	struct expr e = begin_expr(b, "payload");
	size_t data;

	put_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(b, NFTA_PAYLOAD_BASE, base);
	put_u32(b, NFTA_PAYLOAD_OFFSET, at);
	put_u32(b, NFTA_PAYLOAD_LEN, len);
	end_expr(b, &e);
	e = begin_expr(b, "bitwise");
	put_u32(b, NFTA_BITWISE_SREG, NFT_REG_1);
	put_u32(b, NFTA_BITWISE_DREG, NFT_REG_1);
	put_u32(b, NFTA_BITWISE_LEN, len);
	data = nest(b, NFTA_BITWISE_MASK);
	put_attr(b, NFTA_DATA_VALUE, mask, len);
	close_nest(b, data);
	data = nest(b, NFTA_BITWISE_XOR);
	put_attr(b, NFTA_DATA_VALUE, zero, len);
	close_nest(b, data);
	end_expr(b, &e);
	e = begin_expr(b, "cmp");
	put_u32(b, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(b, NFTA_CMP_OP, NFT_CMP_EQ);
	data = nest(b, NFTA_CMP_DATA);
	put_attr(b, NFTA_DATA_VALUE, bytes, len);
	close_nest(b, data);
	end_expr(b, &e);
}

static void put_drop(struct batch *b)
{
	struct expr e = begin_expr(b, "immediate");
	size_t data, verdict;

	put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nest(b, NFTA_IMMEDIATE_DATA);
	verdict = nest(b, NFTA_DATA_VERDICT);
	put_u32(b, NFTA_VERDICT_CODE, NF_DROP);
	close_nest(b, verdict);
	close_nest(b, data);
	end_expr(b, &e);
}

/* `frame`: from where a frame's header begins, or from where the kernel was told that the packet does. */
static void put_rule(struct batch *b, const struct lxe_net_addr *net, bool frame)
{
	static const unsigned char ip[2] = { 0x08, 0x00 }, all[2] = { 0xff, 0xff };
	uint32_t mask = htonl(net->prefix ? ~0U << (32 - net->prefix) : 0);
	unsigned char bits[4];
	size_t list;

	memcpy(bits, &mask, sizeof(bits));
	begin_nft(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	put_text(b, NFTA_RULE_TABLE, NAME);
	put_text(b, NFTA_RULE_CHAIN, NAME);
	list = nest(b, NFTA_RULE_EXPRESSIONS);
	if (frame)
		put_match(b, NFT_PAYLOAD_LL_HEADER, TYPE_AT, ip, all, sizeof(ip));
	put_match(b, frame ? NFT_PAYLOAD_LL_HEADER : NFT_PAYLOAD_NETWORK_HEADER,
		frame ? PACKET_AT + TO_AT : TO_AT, net->bytes, bits, sizeof(bits));
	put_drop(b);
	close_nest(b, list);
	end(b);
}

int lxe_user_deny(const char *device)
{
	struct batch b = { 0 };
	struct lxe_net_addr net;
	const char *text;
	int r = 0;

	put_edge(&b, NFNL_MSG_BATCH_BEGIN);
	put_chain(&b, device);
	for (size_t i = 0; r == 0 && (text = lxe_net_shielded(LXE_NET_V4, i)); i++) {
		r = lxe_net_addr_parse(&net, text, NULL);
		if (r < 0)
			break;
		put_rule(&b, &net, true);
		put_rule(&b, &net, false);
		r = put_route(&net);
	}
	put_edge(&b, NFNL_MSG_BATCH_END);
	return r < 0 ? r : tell(&b, NETLINK_NETFILTER);
}
