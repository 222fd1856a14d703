/* Messages as netfilter's log sends them, for the tests and as what the fuzzer begins with. */
#ifndef LXE_TESTS_NFLOG_MESSAGE_H
#define LXE_TESTS_NFLOG_MESSAGE_H

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>

static inline size_t put_attr(
	unsigned char *buf, size_t at, uint16_t type, const void *body, size_t len)
{
	struct nlattr attr = { .nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type };

	memset(buf + at, 0, NLA_ALIGN(attr.nla_len));
	memcpy(buf + at, &attr, sizeof(attr));
	memcpy(buf + at + NLA_HDRLEN, body, len);
	return at + NLA_ALIGN(attr.nla_len);
}

static inline size_t put_message(
	unsigned char *buf, size_t at, const char *prefix, const void *ip, size_t len)
{
	struct nlmsghdr header = { .nlmsg_type = (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET };
	struct nfgenmsg about = { 0 };
	size_t begin = at;

	memcpy(buf + at + NLMSG_HDRLEN, &about, sizeof(about));
	at += NLMSG_HDRLEN + sizeof(about);
	at = put_attr(buf, at, NFULA_PACKET_HDR, "\x08\x00\x02\x00", 4);
	at = put_attr(buf, at, NFULA_PREFIX, prefix, strlen(prefix) + 1);
	at = put_attr(buf, at, NFULA_PAYLOAD, ip, len);
	header.nlmsg_len = (uint32_t)(at - begin);
	memcpy(buf + begin, &header, sizeof(header));
	return at;
}

/* 10.213.0.2 to 198.51.100.7, TCP, port 443. */
static const unsigned char tcp4[] = { 0x45, 0, 0, 40, 0, 0, 0x40, 0, 63, 6, 0, 0, 10, 213, 0, 2,
	198, 51, 100, 7, 0xc0, 1, 1, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0 };

/* fd00::2 to 2001:db8::1, a hop-by-hop header, UDP, port 53. */
static const unsigned char udp6[] = { 0x60, 0, 0, 0, 0, 16, 0, 63, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 2, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 17, 0, 0, 0, 0,
	0, 0, 0, 0xc0, 1, 0, 53, 0, 8, 0, 0 };

#endif
