#include "network/rebind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* IANA's special-purpose registries, without the ranges for documentation: those are nobody's. */
static const struct lxe_net_addr always[] = {
	{ LXE_NET_V4, 8, { 0 } },
	{ LXE_NET_V4, 8, { 127 } },
	{ LXE_NET_V4, 16, { 169, 254 } },
	{ LXE_NET_V4, 4, { 224 } },
	{ LXE_NET_V4, 4, { 240 } },
	/* ::, ::1, and the forms of IPv6 that hold an IPv4 address */
	{ LXE_NET_V6, 96, { 0 } },
	{ LXE_NET_V6, 96, { [10] = 0xff, [11] = 0xff } },
	{ LXE_NET_V6, 10, { 0xfe, 0x80 } },
	{ LXE_NET_V6, 8, { 0xff } },
	/* the same ranges of IPv4 as NAT64 has them */
	{ LXE_NET_V6, 104, { 0, 0x64, 0xff, 0x9b, [12] = 127 } },
	{ LXE_NET_V6, 112, { 0, 0x64, 0xff, 0x9b, [12] = 169, 254 } },
};

static const struct lxe_net_addr private[] = {
	{ LXE_NET_V4, 8, { 10 } },
	{ LXE_NET_V4, 10, { 100, 64 } },
	{ LXE_NET_V4, 12, { 172, 16 } },
	{ LXE_NET_V4, 24, { 192, 0, 0 } },
	{ LXE_NET_V4, 16, { 192, 168 } },
	{ LXE_NET_V4, 15, { 198, 18 } },
	{ LXE_NET_V6, 48, { 0, 0x64, 0xff, 0x9b, 0, 1 } },
	{ LXE_NET_V6, 7, { 0xfc } },
	{ LXE_NET_V6, 10, { 0xfe, 0xc0 } },
	{ LXE_NET_V6, 104, { 0, 0x64, 0xff, 0x9b, [12] = 10 } },
	{ LXE_NET_V6, 108, { 0, 0x64, 0xff, 0x9b, [12] = 172, 16 } },
	{ LXE_NET_V6, 112, { 0, 0x64, 0xff, 0x9b, [12] = 192, 168 } },
};

struct subtraction {
	lxe_rebind_visit visit;
	void *arg;
};

static int by_address(const void *a, const void *b)
{
	const struct lxe_net_addr *x = a, *y = b;
	int d = memcmp(x->bytes, y->bytes, sizeof(x->bytes));

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return d ? d : (int)x->prefix - (int)y->prefix;
}

static bool is_in(const struct lxe_net_addr *net, const struct lxe_net_addr *addr)
{
	return addr->prefix >= net->prefix && lxe_net_addr_covers(net, addr);
}

/* `net` without all of `holes`: ascending, each a part of it. Halves it as long as one is in it. */
static void subtract(struct subtraction *s, const struct lxe_net_addr *net,
	const struct lxe_net_addr *holes, size_t n)
{
	struct lxe_net_addr half = *net;
	size_t lower = 0;

	if (n == 0) {
		s->visit(s->arg, net);
		return;
	}
	if (holes[0].prefix == net->prefix)
		return;
	half.prefix++;
	while (lower < n && is_in(&half, &holes[lower]))
		lower++;
	subtract(s, &half, holes, lower);
	half.bytes[net->prefix / 8] |= (uint8_t)(0x80 >> net->prefix % 8);
	subtract(s, &half, holes + lower, n - lower);
}

/* What of the list is a part of the network is one piece of it, but for wider ones before that. */
static void without(struct subtraction *s, const struct lxe_net_addr *net,
	const struct lxe_net_addr *holes, size_t n)
{
	size_t first = 0, count = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_in(&holes[i], net))
			return;
		if (!is_in(net, &holes[i]))
			continue;
		if (count == 0)
			first = i;
		count++;
	}
	subtract(s, net, holes + first, count);
}

int lxe_rebind_ranges(const struct lxe_rebind_in *in, lxe_rebind_visit visit, void *arg)
{
	LXE_AUTOFREE struct lxe_net_addr *holes = calloc(in->n_allowed + 1, sizeof(*holes));
	struct subtraction s = { visit, arg };
	size_t n = 0;

	if (!holes)
		return -ENOMEM;
	for (size_t i = 0; i < in->n_allowed; i++)
		/* 0.0.0.0/0 names no network any more than * does. */
		if (in->allowed[i].host == LXE_NET_ADDR && in->allowed[i].addr.prefix)
			holes[n++] = in->allowed[i].addr;
	qsort(holes, n, sizeof(*holes), by_address);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		without(&s, &always[i], holes, n);
	for (size_t i = 0; i < sizeof(private) / sizeof(private[0]) && in->mode != LXE_NET_OPEN;
		i++)
		without(&s, &private[i], holes, n);
	for (size_t i = 0; i < in->n_shielded; i++)
		without(&s, &in->shielded[i], holes, n);
	return 0;
}
