#include "network/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/apply.h"
#include "network/conntrack.h"
#include "network/forwarding.h"
#include "network/hostnet.h"
#include "network/nflog.h"
#include "network/plan.h"
#include "network/veth.h"
#include "proto/record.h"
#include "store/sandbox.h"
#include "sys/fd.h"

#define FIRST_GROUP 20000U
#define GROUPS 40000U
#define GROUP_TRIES 256U
#define GROUP_STEP 7919U /* a prime: others' groups lie together */
/* A container that has been killed takes its device with it within 20 ms; by then it is not in a hurry. */
#define DEVICE_END_MS 1000

void lxe_net_setup_init(struct lxe_net_setup *setup)
{
	*setup = (struct lxe_net_setup){
		.lease = { .fd = -EBADF }, .undo_v4 = -EBADF, .undo_v6 = -EBADF, .log = -EBADF
	};
}

static void close_pipes(struct lxe_net_setup *setup)
{
	while (setup->n_pipes)
		lxe_close(setup->pipes[--setup->n_pipes]);
}

void lxe_net_setup_release(struct lxe_net_setup *setup)
{
	lxe_drop_fd(&setup->lease.fd);
	lxe_drop_fd(&setup->undo_v4);
	lxe_drop_fd(&setup->undo_v6);
	lxe_drop_fd(&setup->log);
	close_pipes(setup);
	lxe_resolver_plan_release(&setup->configs);
}

int lxe_net_read_spec(struct lxe_spec *ret, int dir, struct lxe_err *err)
{
	struct lxe_record record = { 0 };
	int r = lxe_record_read(&record, dir);

	if (r == 0)
		r = lxe_spec_decode(ret, record.spec, record.spec_len);
	lxe_record_release(&record);
	return r < 0 ? lxe_fail(err, r, "read the record of the sandbox") : 0;
}

/* Where it has not, there is nothing to put a rule for, nor a program that could. */
static bool kernel_has_v6(void)
{
	return access("/proc/sys/net/ipv6", F_OK) == 0;
}

/* IPv6 is on where the host has it, and where forwarding it does not change the host. */
static bool wants_v6(const struct lxe_host_net *host)
{
	return kernel_has_v6() && lxe_host_net_has_v6(host, lxe_forwarding_v6_is_harmless());
}

static int shield(const struct lxe_host_net *host, const struct lxe_net_addr *subnet,
	struct lxe_net_addr **ret, size_t *n)
{
	struct lxe_net_addr *list = NULL, *longer;
	int r;

	r = lxe_host_net_bridged(host, &list, n);
	if (r < 0)
		return r;
	longer = reallocarray(list, *n + 1, sizeof(*list));
	if (!longer) {
		free(list);
		return -ENOMEM;
	}
	longer[(*n)++] = *subnet;
	*ret = longer;
	return 0;
}

/* Ours, and those of sandboxes that were made with another --subnet. */
static int find_subnets(const struct lxe_host_net *host, const struct lxe_net_addr *subnet,
	struct lxe_net_addr **ret, size_t *n)
{
	struct lxe_net_addr *list = calloc(host->n_routes + 2, sizeof(*list));

	if (!list)
		return -ENOMEM;
	lxe_lease_network6(&list[0]);
	list[1] = *subnet;
	*n = 2;
	for (size_t i = 0; i < host->n_routes; i++) {
		const struct lxe_host_route *route = &host->routes[i];
		const struct lxe_host_link *link = lxe_host_link_of(host, route->out);

		if (link && lxe_host_link_is_ours(link) && route->to.family == LXE_NET_V4 &&
			!lxe_net_addr_covers(subnet, &route->to))
			list[(*n)++] = route->to;
	}
	*ret = list;
	return 0;
}

/* As a file, which outlives us. */
static int file_of(const char *text)
{
	LXE_AUTOCLOSE int fd = sys_memfd("lxe-rules", 0);
	int r = fd < 0 ? fd : sys_write_all(fd, text, strlen(text));

	return r < 0 ? r : take_fd(&fd);
}

/* IPv6 that is off has rules as well: somebody may switch it on, on the host or inside. */
static int apply(struct lxe_net_setup *setup, const struct lxe_net_plan *plan, const char *run,
	const char *id8, struct lxe_err *err)
{
	bool has_v6 = kernel_has_v6();

	setup->undo_v4 = file_of(plan->undo_v4);
	setup->undo_v6 = has_v6 ? file_of(plan->undo_v6) : -EBADF;
	if (setup->undo_v4 < 0 || (has_v6 && setup->undo_v6 < 0))
		return lxe_fail(err, -ENOMEM, "write the firewall's rules");
	return lxe_net_apply(run, id8, plan->v4, has_v6 ? plan->v6 : NULL, err);
}

static bool has_default_route(const struct lxe_host_net *host, unsigned int index)
{
	for (size_t i = 0; i < host->n_routes; i++)
		if (host->routes[i].out == index && host->routes[i].to.prefix == 0)
			return true;
	return false;
}

/*
 * All that may lead outside: a bridge without a default route has its own networks alone, now or later. One whose
 * name a rule cannot have is not known.
 */
static int find_links(const struct lxe_host_net *host, struct lxe_strv *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < host->n_links; i++) {
		const struct lxe_host_link *link = &host->links[i];

		if (!link->loopback && !link->port && !lxe_host_link_is_ours(link) &&
			(!link->bridge || has_default_route(host, link->index)) &&
			!strpbrk(link->name, "\"'\\!+#") && link->name[0] != '-')
			r = lxe_strv_add(ret, link->name);
	}
	return r;
}

static int plan_and_apply(struct lxe_net_setup *setup, const struct lxe_net_ask *ask,
	const struct lxe_naming *naming, const struct lxe_host_net *host, struct lxe_err *err)
{
	LXE_AUTOFREE struct lxe_net_guard *guards = NULL;
	LXE_AUTOFREE struct lxe_net_addr *shielded = NULL, *subnets = NULL;
	struct lxe_net_plan plan = { 0 };
	struct lxe_strv links = { 0 };
	char id8[9], veth[IFNAMSIZ];
	struct lxe_net_plan_in in = {
		.spec = &naming->spec,
		.id8 = id8,
		.veth = veth,
		.guest4 = setup->given.guest4,
		.gateway4 = setup->given.gateway4,
		.v6 = setup->given.v6,
		.guest6 = setup->given.guest6,
		.gateway6 = setup->given.gateway6,
		.nflog_group = setup->given.nflog_group,
	};
	int r;

	lxe_net_names(ask->id, id8, veth);
	r = shield(host, &setup->lease.subnet, &shielded, &in.n_shielded);
	if (r == 0)
		r = find_subnets(host, &setup->lease.subnet, &subnets, &in.n_subnets);
	if (r == 0)
		r = lxe_forwarding_guards(ask->run, host, in.v6, &guards, &in.n_guards, err);
	if (r == 0)
		r = find_links(host, &links);
	in.links = &links;
	in.guards = guards;
	in.shielded = shielded;
	in.subnets = subnets;
	in.dns = setup->n_pipes > 0;
	if (r < 0)
		lxe_fail(err, r, "plan the firewall's rules");
	if (r == 0 && in.dns)
		r = lxe_naming_configure(&setup->configs, naming, &in, err);
	if (r == 0)
		r = lxe_naming_make_sets(naming, &in, err);
	if (r == 0)
		r = lxe_net_plan(&plan, &in, err);
	if (r == 0)
		r = apply(setup, &plan, ask->run, id8, err);
	lxe_net_plan_release(&plan);
	lxe_strv_release(&links);
	return r;
}

/*
 * One that no other has: the kernel gives each to one socket alone. The numbers of two subnets are the same, and
 * so are those of two run directories.
 */
static void take_group(struct lxe_net_setup *setup)
{
	uint32_t first = setup->lease.number;

	for (uint32_t i = 0; i < GROUP_TRIES; i++) {
		uint16_t group = (uint16_t)(FIRST_GROUP + (first + i * GROUP_STEP) % GROUPS);

		setup->given.nflog_group = group;
		setup->log = lxe_nflog_open(group);
		if (setup->log != -EBUSY && setup->log != -EPERM)
			return;
	}
}

int lxe_net_make_rules(struct lxe_net_setup *setup, const struct lxe_net_ask *ask,
	const struct lxe_net_spec *spec, struct lxe_err *err)
{
	struct lxe_naming naming = { 0 };
	struct lxe_host_net host = { 0 };
	int r;

	r = lxe_host_net_read(&host, err);
	if (r < 0)
		return r;
	r = lxe_lease_take(&setup->lease, ask->run, spec->subnet, ask->id, &host, err);
	if (r == 0) {
		setup->given = (struct lxe_net_given){
			.guest4 = setup->lease.guest4,
			.gateway4 = setup->lease.gateway4,
			.v6 = wants_v6(&host),
			.guest6 = setup->lease.guest6,
			.gateway6 = setup->lease.gateway6,
			.subnet = setup->lease.subnet,
		};
		take_group(setup);
		setup->localnet = lxe_net_wants_localnet(spec);
	}
	if (r == 0)
		r = lxe_naming_look_up(&naming, spec, setup->given.v6, err);
	if (r == 0) {
		memcpy(setup->given.proxy, naming.proxy, sizeof(naming.proxy));
		setup->given.n_proxy = naming.n_proxy;
		r = plan_and_apply(setup, ask, &naming, &host, err);
		/* With the rules in force that keep it from being the host's neighbours' as well. */
		if (r == 0)
			r = lxe_forwarding_begin(ask->run, &host, setup->given.v6, err);
	}
	lxe_naming_release(&naming);
	lxe_host_net_release(&host);
	return r;
}

int lxe_net_make_link(
	struct lxe_net_setup *setup, const struct lxe_net_ask *ask, int pidfd, struct lxe_err *err)
{
	struct lxe_veth veth = {
		.guest4 = setup->given.guest4,
		.gateway4 = setup->given.gateway4,
		.v6 = setup->given.v6,
		.guest6 = setup->given.guest6,
		.gateway6 = setup->given.gateway6,
		.localnet = setup->localnet,
	};
	char id8[9];
	int r;

	lxe_net_names(ask->id, id8, veth.name);
	r = lxe_veth_create(&veth, pidfd, err);
	if (r == 0 && setup->n_pipes)
		r = lxe_naming_tell(&setup->configs, setup->pipes, setup->n_pipes, err);
	close_pipes(setup);
	return r;
}

/* The first failure is what is told; the other parts go on. */
static void note(struct lxe_err *err, int *first, const struct lxe_err *one)
{
	if (*first < 0 || one->code == 0)
		return;
	*first = one->code;
	*err = *one;
}

/* Whoever has the address next is not to be answered by what this sandbox has begun. */
static int forget_connections(const struct lxe_net_undo *undo)
{
	struct lxe_net_addr addrs[] = {
		{ .family = LXE_NET_V4, .prefix = 32 },
		{ .family = LXE_NET_V6, .prefix = 128 },
	};
	struct in6_addr guest6;

	if (!undo->ask->guest4.s_addr)
		return 0;
	lxe_lease_guest6(&guest6, undo->ask->guest4);
	memcpy(addrs[0].bytes, &undo->ask->guest4, sizeof(undo->ask->guest4));
	memcpy(addrs[1].bytes, &guest6, sizeof(guest6));
	return lxe_conntrack_flush(addrs, 2);
}

int lxe_net_undo(const struct lxe_net_undo *undo, struct lxe_err *err)
{
	struct lxe_err first = { 0 }, one = { 0 };
	struct lxe_netlink nl = { 0 };
	char id8[9], veth[IFNAMSIZ];
	int r, result = 0;
	bool used;

	lxe_net_names(undo->ask->id, id8, veth);
	r = lxe_netlink_open(&nl, NETLINK_ROUTE, 0);
	if (r == 0)
		r = lxe_veth_cut(&nl, veth);
	if (r < 0)
		lxe_fail(&one, r, "cut off the network device '%s'", veth);
	note(&first, &result, &one);
	one = (struct lxe_err){ 0 };
	used = !nl.socket || lxe_conntrack_may_have(&nl, veth);
	lxe_net_withdraw(undo->ask->run, id8, &undo->applied, &one);
	note(&first, &result, &one);
	one = (struct lxe_err){ 0 };
	if (!(undo->ask->has & LXE_NET_HAS_NO_SETS))
		lxe_naming_remove_sets(id8, &one);
	note(&first, &result, &one);
	one = (struct lxe_err){ 0 };
	r = used ? forget_connections(undo) : 0;
	if (r < 0)
		lxe_fail(&one, r, "forget the sandbox's connections");
	note(&first, &result, &one);
	one = (struct lxe_err){ 0 };
	r = nl.socket ? lxe_veth_await_end(&nl, veth, DEVICE_END_MS) : 0;
	if (r < 0)
		lxe_fail(&one, r, "remove the network device '%s'", veth);
	note(&first, &result, &one);
	lxe_netlink_close(&nl);
	one = (struct lxe_err){ 0 };
	if (undo->lease >= 0)
		lxe_lease_give_back(undo->lease, undo->ask->guest4);
	lxe_forwarding_end(undo->ask->run, &one);
	note(&first, &result, &one);
	if (result < 0 && err)
		*err = first;
	return result;
}
