/*
 * The watch over processor time. The kernel has no alarm for a group, so the keeper looks: not before
 * the time could be used up with all CPUs running hot, and less and less often while they do not.
 * See limits.h.
 */
#include <unistd.h>

#include "keeper/keeper.h"

#define LEAST_MS 10
#define IDLE_MOST_MS 1000
#define IDLE_SHARE 16 /* less than this part of one CPU is idle */

/* The sandbox's own command answers for all that runs in it. */
static uint64_t counted_us(const struct lxe_process *p)
{
	return p == p->keeper->main ? lxe_cgroup_cpu_us(p->keeper->cgroup)
				    : lxe_cgroup_leaf_cpu_us(p->leaf);
}

static unsigned int usable_cpus(const struct lxe_process *p)
{
	uint64_t limit = (p->keeper->main->spec.limits.cpus + LXE_CPUS_UNIT - 1) / LXE_CPUS_UNIT;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (online < 1)
		online = 1;
	return limit && limit < (uint64_t)online ? (unsigned int)limit : (unsigned int)online;
}

static void spend(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	/* What has come to its natural end, or is being ended, needs no reason of ours. */
	if (p->reaped || p->stopping || p->timed_out || k->stopping)
		return;
	for (struct lxe_process *other = k->processes; other; other = other->next)
		if (other == p || p == k->main)
			other->limits.spent = other->state != LXE_PROCESS_ENDED;
	lxe_process_kill(p);
}

static void watch_on(struct lxe_process *p, uint64_t left_us, bool idle)
{
	struct lxe_process_limits *l = &p->limits;
	uint64_t ms = left_us / 1000 / l->cpus, patience = 2 * l->interval_ms;

	if (ms < LEAST_MS)
		ms = LEAST_MS;
	if (patience > IDLE_MOST_MS)
		patience = IDLE_MOST_MS;
	if (idle && ms < patience)
		ms = patience;
	l->interval_ms = ms;
	lxe_loop_set_timer(p->keeper->loop, &l->budget, ms);
}

static void look(void *process)
{
	struct lxe_process *p = process;
	struct lxe_process_limits *l = &p->limits;
	uint64_t budget = p->spec.limits.cpu_time_ms * 1000, now = counted_us(p), used;
	bool idle;

	/* The end of the group, which ends the watch as well; or there was no descriptor for its file just now. */
	if (now == LXE_CGROUP_UNKNOWN) {
		lxe_loop_set_timer(p->keeper->loop, &l->budget, IDLE_MOST_MS);
		return;
	}
	used = now - l->cpu_before_us;
	if (used >= budget) {
		spend(p);
		return;
	}
	idle = (now - l->cpu_seen_us) * IDLE_SHARE < l->interval_ms * 1000;
	l->cpu_seen_us = now;
	watch_on(p, budget - used, idle);
}

int lxe_limits_watch(struct lxe_process *p, struct lxe_err *err)
{
	struct lxe_process_limits *l = &p->limits;

	if (!p->spec.limits.cpu_time_ms)
		return 0;
	l->cpu_before_us = l->cpu_seen_us = counted_us(p);
	if (l->cpu_before_us == LXE_CGROUP_UNKNOWN) {
		lxe_hint(err, "give --cpu-time when the sandbox is made");
		return lxe_fail_msg(err, -ENODEV,
			"--cpu-time cannot be enforced: nothing counts the processor time of one "
			"command of this sandbox");
	}
	l->budget.passed = look;
	l->budget.arg = p;
	l->cpus = usable_cpus(p);
	watch_on(p, p->spec.limits.cpu_time_ms * 1000, false);
	return 0;
}

void lxe_limits_unwatch(struct lxe_process *p)
{
	lxe_loop_clear_timer(p->keeper->loop, &p->limits.budget);
}
