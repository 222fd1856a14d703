#include "network/nflog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PACKET_TYPE ((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET)
#define CONFIG_TYPE ((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG)
#define COPY_BYTES 128
#define EXTENSIONS_MAX 8 /* headers of IPv6 before that of the protocol */
#define BODY_MAX 32

/* A question with one attribute. */
struct question {
	struct nlmsghdr header;
	struct nfgenmsg about;
	struct nlattr attr;
	unsigned char body[BODY_MAX];
};

/* The kernel answers before send(2) returns, so there is nothing to wait for. */
static int ask(int fd, uint16_t group, uint16_t attr, const void *body, size_t len)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		unsigned char rest[sizeof(struct question)];
	} answer = { 0 };
	struct question q = {
		.header = {
			.nlmsg_len = (uint32_t)(offsetof(struct question, body) + NLMSG_ALIGN(len)),
			.nlmsg_type = CONFIG_TYPE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.about = { .nfgen_family = AF_UNSPEC, .res_id = htons(group) },
		.attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = attr },
	};
	ssize_t n;

	memcpy(q.body, body, len);
	if (send(fd, &q, q.header.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (n < (ssize_t)(NLMSG_HDRLEN + sizeof(answer.error)) ||
		answer.header.nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return answer.error.error;
}

int lxe_nflog_open(uint16_t group)
{
	const struct nfulnl_msg_config_cmd bind_group = { .command = NFULNL_CFG_CMD_BIND };
	const struct nfulnl_msg_config_mode mode = { .copy_range = htonl(COPY_BYTES),
		.copy_mode = NFULNL_COPY_PACKET };
	const uint32_t at_once = htonl(1);
	LXE_AUTOCLOSE int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	const int on = 1;
	int r;

	if (fd < 0)
		return -errno;
	r = ask(fd, group, NFULA_CFG_CMD, &bind_group, sizeof(bind_group));
	if (r == 0)
		r = ask(fd, group, NFULA_CFG_MODE, &mode, sizeof(mode));
	/* Each packet on its own: a run may be over before there are two. */
	if (r == 0)
		r = ask(fd, group, NFULA_CFG_QTHRESH, &at_once, sizeof(at_once));
	if (r < 0)
		return r;
	/* What does not fit is lost, and that is no error of a read. */
	setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	return take_fd(&fd);
}

static uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void set_addr(struct lxe_net_addr *addr, enum lxe_net_family family, const unsigned char *p)
{
	bool v4 = family == LXE_NET_V4;

	*addr = (struct lxe_net_addr){ .family = family, .prefix = v4 ? 32 : 128 };
	memcpy(addr->bytes, p, v4 ? 4 : 16);
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static int parse_v4(struct lxe_nflog_packet *ret, const unsigned char *ip, size_t len)
{
	size_t header = len ? (size_t)(ip[0] & 0x0f) * 4 : 0;
	bool first;

	if (len < 20 || header < 20)
		return -EBADMSG;
	set_addr(&ret->from, LXE_NET_V4, ip + 12);
	set_addr(&ret->to, LXE_NET_V4, ip + 16);
	ret->proto = ip[9];
	first = (get16(ip + 6) & 0x1fff) == 0;
	if (has_ports(ret->proto) && first && len >= header + 4)
		ret->port = get16(ip + header + 2);
	return 0;
}

static int parse_v6(struct lxe_nflog_packet *ret, const unsigned char *ip, size_t len)
{
	size_t at = 40;
	bool first = true;

	if (len < 40)
		return -EBADMSG;
	set_addr(&ret->from, LXE_NET_V6, ip + 8);
	set_addr(&ret->to, LXE_NET_V6, ip + 24);
	ret->proto = ip[6];
	for (int i = 0; i < EXTENSIONS_MAX && len >= at + 8; i++) {
		bool fragment = ret->proto == IPPROTO_FRAGMENT;

		if (ret->proto != IPPROTO_HOPOPTS && ret->proto != IPPROTO_ROUTING &&
			ret->proto != IPPROTO_DSTOPTS && !fragment)
			break;
		first = first && (!fragment || (get16(ip + at + 2) & 0xfff8) == 0);
		ret->proto = ip[at];
		at += fragment ? 8 : ((size_t)ip[at + 1] + 1) * 8;
	}
	if (has_ports(ret->proto) && first && len >= at + 4)
		ret->port = get16(ip + at + 2);
	return 0;
}

static int parse_payload(struct lxe_nflog_packet *ret, const unsigned char *ip, size_t len)
{
	if (len < 1)
		return -EBADMSG;
	switch (ip[0] >> 4) {
	case 4:
		return parse_v4(ret, ip, len);
	case 6:
		return parse_v6(ret, ip, len);
	default:
		return -EBADMSG;
	}
}

static void set_prefix(struct lxe_nflog_packet *ret, const unsigned char *text, size_t len)
{
	len = strnlen((const char *)text, len < LXE_NFLOG_PREFIX ? len : LXE_NFLOG_PREFIX - 1);
	memcpy(ret->prefix, text, len);
	ret->prefix[len] = '\0';
}

/* The attributes of one packet: 1, or -EBADMSG. */
static int parse_packet(struct lxe_nflog_packet *ret, const unsigned char *p, size_t left)
{
	struct lxe_nflog_packet packet = { 0 };
	bool seen = false;

	while (left >= NLA_HDRLEN) {
		struct nlattr attr;
		size_t len, whole;

		memcpy(&attr, p, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > left)
			return -EBADMSG;
		len = attr.nla_len - NLA_HDRLEN;
		if ((attr.nla_type & NLA_TYPE_MASK) == NFULA_PREFIX)
			set_prefix(&packet, p + NLA_HDRLEN, len);
		if ((attr.nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD)
			seen = parse_payload(&packet, p + NLA_HDRLEN, len) == 0;
		whole = NLA_ALIGN(attr.nla_len);
		whole = whole < left ? whole : left;
		p += whole;
		left -= whole;
	}
	if (!seen)
		return -EBADMSG;
	*ret = packet;
	return 1;
}

int lxe_nflog_next(struct lxe_nflog_packet *ret, const unsigned char **p, size_t *left)
{
	const size_t before = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));

	while (*left) {
		const unsigned char *message = *p;
		struct nlmsghdr header;
		size_t whole;

		if (*left < NLMSG_HDRLEN)
			return -EBADMSG;
		memcpy(&header, message, sizeof(header));
		if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > *left)
			return -EBADMSG;
		whole = NLMSG_ALIGN(header.nlmsg_len);
		whole = whole < *left ? whole : *left;
		*p += whole;
		*left -= whole;
		if (header.nlmsg_type != PACKET_TYPE)
			continue;
		if (header.nlmsg_len < before)
			return -EBADMSG;
		return parse_packet(ret, message + before, header.nlmsg_len - before);
	}
	return 0;
}
