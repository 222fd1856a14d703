/* Addresses and networks. See net_rule.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "policy/net_rule.h"

static unsigned int bits_of(enum lxe_net_family family)
{
	return family == LXE_NET_V4 ? 32 : 128;
}

static int af_of(enum lxe_net_family family)
{
	return family == LXE_NET_V4 ? AF_INET : AF_INET6;
}

static void mask(struct lxe_net_addr *addr)
{
	unsigned int bytes = bits_of(addr->family) / 8;

	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int left = addr->prefix > i * 8 ? addr->prefix - i * 8 : 0;

		if (left < 8)
			addr->bytes[i] &= (uint8_t)(0xff00U >> left);
	}
}

static const char *read_prefix(struct lxe_net_addr *addr, const char *text, char *hint)
{
	struct lxe_net_addr net = *addr;
	char shown[LXE_NET_ADDR_TEXT];
	uint64_t prefix;

	if (lxe_parse_u64(text, 0, bits_of(addr->family), &prefix) < 0) {
		snprintf(hint, LXE_NET_HINT, "behind the '/' stands a number from 0 to %u",
			bits_of(addr->family));
		return "has no length of a prefix";
	}
	addr->prefix = net.prefix = (uint8_t)prefix;
	mask(&net);
	if (memcmp(net.bytes, addr->bytes, sizeof(net.bytes)) == 0)
		return NULL;
	lxe_net_addr_format(&net, shown);
	snprintf(hint, LXE_NET_HINT, "the network is %s", shown);
	return "has bits set behind its prefix";
}

/* ::ffff:192.0.2.1: the kernel's sockets know it, the wire does not. */
static bool is_mapped(const struct lxe_net_addr *addr, char *hint)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	if (addr->family != LXE_NET_V6 || memcmp(addr->bytes, prefix, sizeof(prefix)) != 0)
		return false;
	snprintf(hint, LXE_NET_HINT, "write the IPv4 address: %u.%u.%u.%u", addr->bytes[12],
		addr->bytes[13], addr->bytes[14], addr->bytes[15]);
	return true;
}

const char *lxe_net_addr_read(struct lxe_net_addr *ret, const char *text, size_t len, char *hint)
{
	struct lxe_net_addr addr = { .family = LXE_NET_V4 };
	char copy[LXE_NET_ADDR_TEXT], *slash;
	const char *wrong = NULL;

	hint[0] = '\0';
	if (memchr(text, ':', len))
		addr.family = LXE_NET_V6;
	addr.prefix = (uint8_t)bits_of(addr.family);
	if (memchr(text, '%', len)) {
		snprintf(hint, LXE_NET_HINT, "leave out what begins with the '%%'");
		return "has a scope, which means nothing here";
	}
	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return addr.family == LXE_NET_V4 ? "is no IPv4 address" : "is no IPv6 address";
	memcpy(copy, text, len);
	copy[len] = '\0';
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (inet_pton(af_of(addr.family), copy, addr.bytes) != 1)
		return addr.family == LXE_NET_V4 ? "is no IPv4 address" : "is no IPv6 address";
	if (is_mapped(&addr, hint))
		return "is an IPv4 address written as an IPv6 one";
	if (slash)
		wrong = read_prefix(&addr, slash + 1, hint);
	if (!wrong)
		*ret = addr;
	return wrong;
}

int lxe_net_addr_parse(struct lxe_net_addr *ret, const char *text, struct lxe_err *err)
{
	char hint[LXE_NET_HINT], shown[LXE_NET_ADDR_TEXT * 2];
	const char *wrong = lxe_net_addr_read(ret, text, strlen(text), hint);

	if (!wrong)
		return 0;
	lxe_excerpt(shown, sizeof(shown), text, strlen(text));
	lxe_fail_msg(err, -EINVAL, "'%s' %s", shown, wrong);
	lxe_hint(err, "%s", hint[0] ? hint : "an address, or a network such as 203.0.113.0/24");
	return -EINVAL;
}

void lxe_net_addr_format(const struct lxe_net_addr *addr, char *buf)
{
	size_t used;

	if (!inet_ntop(af_of(addr->family), addr->bytes, buf, LXE_NET_ADDR_TEXT))
		buf[0] = '\0';
	used = strlen(buf);
	if (addr->prefix < bits_of(addr->family))
		snprintf(buf + used, LXE_NET_ADDR_TEXT - used, "/%u", addr->prefix);
}

bool lxe_net_addr_covers(const struct lxe_net_addr *net, const struct lxe_net_addr *addr)
{
	struct lxe_net_addr cut = *addr;

	if (net->family != addr->family || net->prefix > addr->prefix)
		return false;
	cut.prefix = net->prefix;
	mask(&cut);
	return memcmp(cut.bytes, net->bytes, sizeof(cut.bytes)) == 0;
}
