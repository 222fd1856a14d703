#include "network/nflog.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "nflog_message.h"

static unsigned char buf[4096];
static struct lxe_nflog_packet packet;

static int next_of(size_t len)
{
	const unsigned char *p = buf;

	return lxe_nflog_next(&packet, &p, &len);
}

static int parse(const void *ip, size_t len)
{
	return next_of(put_message(buf, 0, "lxe-0123abcd", ip, len));
}

static void goes_to(const char *addr, uint8_t proto, uint16_t port)
{
	char text[LXE_NET_ADDR_TEXT];

	lxe_net_addr_format(&packet.to, text);
	cr_expect_str_eq(text, addr);
	cr_expect_eq(packet.proto, proto);
	cr_expect_eq(packet.port, port);
}

static void comes_from(const char *addr)
{
	char text[LXE_NET_ADDR_TEXT];

	lxe_net_addr_format(&packet.from, text);
	cr_expect_str_eq(text, addr);
}

Test(nflog, a_packet_of_ipv4)
{
	unsigned char ip[sizeof(tcp4)];

	cr_assert_eq(parse(tcp4, sizeof(tcp4)), 1);
	goes_to("198.51.100.7", 6, 443);
	comes_from("10.213.0.2");
	cr_expect_str_eq(packet.prefix, "lxe-0123abcd");
	memcpy(ip, tcp4, sizeof(ip));
	ip[9] = 1;
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("198.51.100.7", 1, 0);
	ip[9] = 17;
	cr_assert_eq(parse(ip, 22), 1);
	goes_to("198.51.100.7", 17, 0);
	ip[7] = 1; /* a later fragment has no ports */
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("198.51.100.7", 17, 0);
	ip[7] = 0;
	ip[0] = 0x46;
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("198.51.100.7", 17, 0);
	ip[0] = 0x44;
	cr_assert_eq(parse(ip, sizeof(ip)), -EBADMSG);
	ip[0] = 0x55;
	cr_assert_eq(parse(ip, sizeof(ip)), -EBADMSG);
	cr_assert_eq(parse(tcp4, 19), -EBADMSG);
	cr_assert_eq(parse(tcp4, 0), -EBADMSG);
}

Test(nflog, a_packet_of_ipv6)
{
	unsigned char ip[sizeof(udp6)];

	cr_assert_eq(parse(udp6, sizeof(udp6)), 1);
	goes_to("2001:db8::1", 17, 53);
	comes_from("fd00::2");
	memcpy(ip, udp6, sizeof(ip));
	ip[6] = 58;
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("2001:db8::1", 58, 0);
	ip[6] = 44; /* a fragment: the first one has the ports */
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("2001:db8::1", 17, 53);
	ip[43] = 8;
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("2001:db8::1", 17, 0);
	ip[6] = 0;
	ip[41] = 255; /* an extension that is longer than the packet */
	cr_assert_eq(parse(ip, sizeof(ip)), 1);
	goes_to("2001:db8::1", 17, 0);
	cr_assert_eq(parse(udp6, 39), -EBADMSG);
}

Test(nflog, several_in_a_datagram)
{
	size_t len = put_message(buf, 0, "a", tcp4, sizeof(tcp4));
	const unsigned char *p = buf;
	struct nlmsghdr other = { .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = NLMSG_NOOP };

	memcpy(buf + len, &other, sizeof(other));
	len = put_message(buf, len + NLMSG_HDRLEN, "a prefix that is longer than there is room for",
		udp6, sizeof(udp6));
	cr_assert_eq(lxe_nflog_next(&packet, &p, &len), 1);
	goes_to("198.51.100.7", 6, 443);
	cr_assert_eq(lxe_nflog_next(&packet, &p, &len), 1);
	goes_to("2001:db8::1", 17, 53);
	cr_assert_str_eq(packet.prefix, "a prefix that is longer");
	cr_assert_eq(lxe_nflog_next(&packet, &p, &len), 0);
	cr_assert_eq(lxe_nflog_next(&packet, &p, &len), 0);
}

/* In blocks of their own size, so that a read past the end is seen. */
Test(nflog, every_cut_is_refused)
{
	size_t whole = put_message(buf, 0, "lxe", udp6, sizeof(udp6));

	for (size_t len = 0; len < whole; len++) {
		unsigned char *copy = malloc(len ? len : 1);
		const unsigned char *p = copy;
		size_t left = len;

		memcpy(copy, buf, len);
		cr_expect_eq(lxe_nflog_next(&packet, &p, &left), len ? -EBADMSG : 0, "%zu", len);
		free(copy);
	}
}

Test(nflog, lengths_that_lie)
{
	size_t len = put_message(buf, 0, "lxe", tcp4, sizeof(tcp4));
	const size_t attr = NLMSG_HDRLEN + sizeof(struct nfgenmsg);

	buf[attr] = 3;
	cr_expect_eq(next_of(len), -EBADMSG);
	buf[attr] = 255;
	cr_expect_eq(next_of(len), -EBADMSG);
	put_message(buf, 0, "lxe", tcp4, sizeof(tcp4));
	buf[0] = 5;
	cr_expect_eq(next_of(len), -EBADMSG);
	buf[0] = 17;
	cr_expect_eq(next_of(len), -EBADMSG);
	buf[0] = 255;
	cr_expect_eq(next_of(len), -EBADMSG);
}
