#include "network/lease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "network/shared.h"
#include "sys/lock.h"

/* Looked at one after the other when nobody has named a subnet. */
static const char *const usual[] = { LXE_NET_SUBNET, "172.29.0.0/16", "192.168.212.0/22" };

/* fd00::/8 is for private networks, whose next 40 bits are drawn by lot (RFC 4193): these were. */
static const uint8_t network6[12] = { 0xfd, 0x5b, 0x9e, 0x14, 0xc7, 0x62 };

#define LEASE_BITS 30
#define TRIES_MAX (1U << 20)

static uint32_t number_of(const struct lxe_net_addr *net)
{
	return (uint32_t)net->bytes[0] << 24 | (uint32_t)net->bytes[1] << 16 |
	       (uint32_t)net->bytes[2] << 8 | net->bytes[3];
}

uint32_t lxe_lease_count(const struct lxe_net_addr *subnet)
{
	return subnet->prefix > LEASE_BITS ? 0 : 1U << (LEASE_BITS - subnet->prefix);
}

static void map6(struct in6_addr *ret, struct in_addr v4)
{
	memcpy(ret->s6_addr, network6, sizeof(network6));
	memcpy(ret->s6_addr + sizeof(network6), &v4, sizeof(v4));
}

void lxe_lease_guest6(struct in6_addr *ret, struct in_addr guest4)
{
	map6(ret, guest4);
}

void lxe_lease_network6(struct lxe_net_addr *ret)
{
	*ret = (struct lxe_net_addr){ .family = LXE_NET_V6, .prefix = 8 * sizeof(network6) };
	memcpy(ret->bytes, network6, sizeof(network6));
}

void lxe_lease_addresses(struct lxe_lease *lease, const struct lxe_net_addr *subnet, uint32_t i)
{
	uint32_t base = number_of(subnet) + i * 4;

	lease->number = i;
	lease->subnet = *subnet;
	lease->gateway4.s_addr = htonl(base + 1);
	lease->guest4.s_addr = htonl(base + 2);
	map6(&lease->gateway6, lease->gateway4);
	map6(&lease->guest6, lease->guest4);
}

/* FNV-1a: neighbours in time are to be strangers in the subnet, so that an address is not used again at once. */
static uint32_t spread(const char *id)
{
	uint32_t hash = 2166136261U;

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 16777619U;
	return hash;
}

static off_t offset_of(struct in_addr guest4)
{
	return (off_t)ntohl(guest4.s_addr);
}

/* What a crashed sandbox has left may still have the address. */
static bool is_used(const struct lxe_host_net *host, const struct lxe_lease *lease)
{
	struct lxe_net_addr one = { .family = LXE_NET_V4, .prefix = 32 };

	memcpy(one.bytes, &lease->guest4, sizeof(lease->guest4));
	return lxe_host_net_collision(host, &one, true);
}

static int take_free(struct lxe_lease *lease, int fd, const struct lxe_net_addr *subnet,
	const char *id, const struct lxe_host_net *host)
{
	uint32_t n = lxe_lease_count(subnet), first = n ? spread(id) % n : 0;
	uint32_t tries = n < TRIES_MAX ? n : TRIES_MAX;
	int r;

	for (uint32_t i = 0; i < tries; i++) {
		lxe_lease_addresses(lease, subnet, (first + i) % n);
		r = sys_lock_range(fd, offset_of(lease->guest4), 1);
		if (r == 0 && !is_used(host, lease))
			return 0;
		if (r == 0)
			r = sys_unlock_range(fd, offset_of(lease->guest4), 1);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	return -ENOSPC;
}

static int refuse_collision(const struct lxe_host_net *host, const struct lxe_host_route *route,
	const char *subnet, struct lxe_err *err)
{
	const struct lxe_host_link *link = lxe_host_link_of(host, route->out);
	char text[LXE_NET_ADDR_TEXT];

	lxe_net_addr_format(&route->to, text);
	lxe_hint(err, "name a network that this host does not use: --subnet ADDRESS/BITS");
	return lxe_fail_msg(err, -EADDRINUSE,
		"the subnet %s for sandboxes collides with the host's route to %s%s%s", subnet,
		text, link ? " on " : "", link ? link->name : "");
}

static int take_of(struct lxe_lease *lease, int fd, const char *text, const char *id,
	const struct lxe_host_net *host, struct lxe_err *err)
{
	const struct lxe_host_route *route;
	struct lxe_net_addr subnet;
	int r;

	r = lxe_net_addr_parse(&subnet, text, err);
	if (r < 0)
		return lxe_fail(err, r, "use the subnet '%s'", text);
	route = lxe_host_net_collision(host, &subnet, false);
	if (route)
		return refuse_collision(host, route, text, err);
	r = take_free(lease, fd, &subnet, id, host);
	if (r == -ENOSPC) {
		lxe_hint(err, "end some sandboxes, or name a larger one: --subnet ADDRESS/BITS");
		return lxe_fail_msg(err, r,
			"the subnet %s is full: %u sandboxes have all of its addresses", text,
			lxe_lease_count(&subnet));
	}
	return r < 0 ? lxe_fail(err, r, "take an address of the subnet %s", text) : 0;
}

int lxe_lease_take(struct lxe_lease *ret, const char *run, const char *subnet, const char *id,
	const struct lxe_host_net *host, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = lxe_net_shared_open(run, "leases", err);
	struct lxe_err first = { 0 };
	struct lxe_lease lease;
	int r = -EADDRINUSE;

	if (fd < 0)
		return fd;
	if (subnet)
		r = take_of(&lease, fd, subnet, id, host, &first);
	for (size_t i = 0; !subnet && r < 0 && i < sizeof(usual) / sizeof(usual[0]); i++)
		r = take_of(&lease, fd, usual[i], id, host, i ? NULL : &first);
	if (r < 0) {
		if (err)
			*err = first;
		return r;
	}
	lease.fd = take_fd(&fd);
	*ret = lease;
	return 0;
}

void lxe_lease_give_back(int fd, struct in_addr guest4)
{
	sys_unlock_range(fd, offset_of(guest4), 1);
}

int lxe_lease_any(const char *run)
{
	LXE_AUTOCLOSE int fd = lxe_net_shared_open(run, "leases", NULL);

	return fd < 0 ? fd : sys_range_is_locked(fd, 0, (off_t)1 << 32);
}
