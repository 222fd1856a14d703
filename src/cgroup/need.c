/* The hierarchies that only some limits need. See cgroup.h. */
#include "cgroup/hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"

static unsigned int needed(const struct lxe_cgroup_limits *limits)
{
	return (limits->cpus ? LXE_CONTROLLER_CPU : 0U) |
	       (limits->cpuset ? LXE_CONTROLLER_CPUSET : 0U) |
	       (limits->n_io ? LXE_CONTROLLER_IO : 0U) |
	       (limits->cpu_time ? LXE_CONTROLLER_CPUACCT : 0U);
}

static struct lxe_hierarchy *v2_of(struct lxe_cgroup_host *host)
{
	struct lxe_hierarchy *last = host->n ? &host->hierarchy[host->n - 1] : NULL;

	return last && last->v2 ? last : NULL;
}

static bool is_ours(const struct lxe_hierarchy *h)
{
	LXE_AUTOCLOSE int own = lxe_cgroup_open_below(h->root, h->own, O_PATH | O_DIRECTORY);

	return own >= 0 && lxe_hierarchy_is_writable(h, own);
}

/* 1: groups are made in it as well from now on. The one to kill by stays the last. */
static int promote(struct lxe_cgroup_host *host, size_t i, struct lxe_err *err)
{
	struct lxe_hierarchy *h = &host->hierarchy[i];
	struct lxe_hierarchy moved;

	h->root = lxe_hierarchy_open(h, err);
	if (h->root < 0)
		return h->root;
	if (host->delegated && !is_ours(h)) {
		lxe_drop_fd(&h->root);
		return 0;
	}
	moved = *h;
	host->hierarchy[i] = host->hierarchy[host->n];
	if (host->n) {
		host->hierarchy[host->n] = host->hierarchy[host->n - 1];
		host->hierarchy[host->n - 1] = moved;
	}
	host->n++;
	return 1;
}

/* 1: a v1 hierarchy has it. */
static int from_v1(struct lxe_cgroup_host *host, unsigned int bit, struct lxe_err *err)
{
	for (size_t i = 0; i < host->n_known; i++) {
		int r = 1;

		if (!(host->hierarchy[i].offers & bit))
			continue;
		if (i >= host->n) {
			r = host->n ? promote(host, i, err) : 0;
			i = host->n - 2;
		}
		if (r <= 0)
			return r;
		host->hierarchy[i].controllers |= bit;
		return 1;
	}
	return 0;
}

static unsigned int offered_by(const struct lxe_hierarchy *h)
{
	LXE_AUTOCLOSE int own = lxe_cgroup_open_below(h->root, h->own, O_PATH | O_DIRECTORY);
	char list[512];

	if (own < 0 || sys_read_file(own, "cgroup.controllers", list, sizeof(list)) < 0)
		return 0;
	return lxe_cgroup_controllers_in(list, " \n", true);
}

static bool from_v2(struct lxe_cgroup_host *host, unsigned int bit)
{
	struct lxe_hierarchy *h = v2_of(host);

	/* A delegated group that passes nothing on has the keeper in it, and cannot. */
	if (!h || (host->delegated && !h->controllers) || !(offered_by(h) & bit))
		return false;
	/* As in add_v2() of parse.c. */
	if (!h->controllers)
		h->own[0] = '\0';
	h->controllers |= bit;
	return true;
}

static int refuse(struct lxe_cgroup_host *host, unsigned int number, struct lxe_err *err)
{
	static const char *const options[LXE_CONTROLLERS] = { "memory", "pids", "cpus", "cpuset",
		"io", "cpu-time" };
	const char *v1 = lxe_controller_name(number, false);
	const char *v2 = lxe_controller_name(number, true);
	const char *name = host->mode == LXE_CGROUP_V2 && v2 ? v2 : v1;

	host->lacks = name;
	/* How he comes by it is known to who has opened what he was given. */
	if (host->delegated)
		return lxe_fail_msg(err, -ENODEV,
			"--%s cannot be enforced: the cgroup controller '%s' is not delegated to "
			"this user",
			options[number], name);
	if (host->mode == LXE_CGROUP_V2)
		lxe_hint(err, "delegate the controller to this place, or do without --%s",
			options[number]);
	else
		lxe_hint(err, "mount -t cgroup -o %s cgroup /sys/fs/cgroup/%s, or do without --%s",
			v1, v1, options[number]);
	return lxe_fail_msg(err, -ENODEV,
		"--%s cannot be enforced: no cgroup hierarchy of this host has the '%s' controller",
		options[number], name);
}

const char *lxe_cgroup_host_lacks(const struct lxe_cgroup_host *host)
{
	return host->lacks;
}

int lxe_cgroup_host_need(
	struct lxe_cgroup_host *host, const struct lxe_cgroup_limits *limits, struct lxe_err *err)
{
	unsigned int wanted = needed(limits);

	for (unsigned int number = 0; number < LXE_CONTROLLERS; number++) {
		unsigned int bit = 1U << number;
		int r;

		if (!(wanted & bit))
			continue;
		/* v2 counts processor time in every group. */
		if (bit == LXE_CONTROLLER_CPUACCT && v2_of(host))
			continue;
		r = from_v1(host, bit, err);
		if (r == 0 && !from_v2(host, bit))
			r = refuse(host, number, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int lxe_cgroup_host_controllers(const struct lxe_cgroup_host *host, char *buf, size_t size)
{
	unsigned int all = 0;
	size_t used = 0;
	int r = 0;

	for (size_t i = 0; i < host->n_known; i++)
		all |= host->hierarchy[i].v2 ? offered_by(&host->hierarchy[i])
					     : host->hierarchy[i].offers;
	if (size)
		buf[0] = '\0';
	for (unsigned int bit = 0; r == 0 && bit < LXE_CONTROLLERS; bit++) {
		const char *name = lxe_controller_name(bit, true);

		if (!name || !(all & 1U << bit))
			continue;
		r = lxe_format(buf + used, size - used, "%s%s", used ? " " : "", name);
		used += strlen(buf + used);
	}
	return r;
}
