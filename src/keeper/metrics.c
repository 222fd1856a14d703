#include "keeper/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "sys/fd.h"
#include "sys/proc.h"

_Static_assert((int)LXE_CREATING == (int)LXE_METRICS_CREATING &&
		       (int)LXE_FAILED == (int)LXE_METRICS_FAILED,
	"readers know the states by these numbers");

static void asked(void *keeper, uint32_t events);

static void unmeasured(const struct lxe_keeper *k, const char *why)
{
	char line[LXE_ERR_MSG_MAX + 16];

	snprintf(line, sizeof(line), "unmeasured: %s", why);
	lxe_sandbox_log(&k->sandbox, line);
}

static int listen_for_askers(struct lxe_keeper *k)
{
	struct lxe_keeper_metrics *m = &k->metrics;

	m->asking = (struct lxe_source){ .fd = -EBADF, .ready = asked, .arg = k };
	/* Who has asked is told by a hang-up, which is reported without being asked for. */
	return lxe_loop_add(k->loop, &m->asking, m->asked, 0);
}

static void stop_listening(struct lxe_keeper *k)
{
	lxe_loop_clear_timer(k->loop, &k->metrics.again);
	lxe_loop_remove(k->loop, &k->metrics.asking);
	lxe_drop_fd(&k->metrics.asked);
}

static void answer(void *keeper)
{
	struct lxe_keeper *k = keeper;
	struct lxe_keeper_metrics *m = &k->metrics;
	int r = lxe_slots_asked(m->asked);

	if (r == 0)
		r = listen_for_askers(k);
	if (sys_is_shortage(r)) {
		m->again = (struct lxe_timer){ .passed = answer, .arg = k };
		lxe_loop_set_timer(k->loop, &m->again, LXE_SHORTAGE_MS);
	} else if (r < 0) {
		stop_listening(k);
	}
	lxe_metrics_publish(k);
}

static void asked(void *keeper, uint32_t events)
{
	struct lxe_keeper *k = keeper;

	(void)events;
	/* What is listened to is the open file, not its number: that one is exchanged. */
	lxe_loop_remove(k->loop, &k->metrics.asking);
	answer(k);
}

void lxe_metrics_open(struct lxe_keeper *k)
{
	struct lxe_keeper_metrics *m = &k->metrics;
	const char *run = getenv("LXC_EXEC_RUN_DIR"); /* as lxe_spawn_keeper() has put it */
	struct lxe_err err = { 0 };

	m->usage = (struct lxe_cgroup_usage){ LXE_CGROUP_UNKNOWN, LXE_CGROUP_UNKNOWN,
		LXE_CGROUP_UNKNOWN, LXE_CGROUP_UNKNOWN };
	if (!run)
		return;
	if (lxe_slots_open(&m->slots, run, LXE_SLOTS_OWN, &err) < 0 ||
		lxe_slot_reserve(m->slots, k->sandbox.id, &m->slot, &err) < 0) {
		unmeasured(k, err.msg);
		return;
	}
	m->asked = lxe_slots_watch(run, &err);
	if (m->asked < 0) {
		unmeasured(k, err.msg);
	} else if (listen_for_askers(k) < 0) {
		unmeasured(k, "nobody can ask");
		lxe_drop_fd(&m->asked);
	}
}

void lxe_metrics_close(struct lxe_keeper *k)
{
	struct lxe_keeper_metrics *m = &k->metrics;

	if (m->asked >= 0)
		stop_listening(k);
	lxe_slot_release(&m->slot);
	lxe_slots_close(take_ptr(m->slots));
}

void lxe_metrics_forget(struct lxe_keeper *k)
{
	k->metrics.slot = LXE_SLOT_NONE;
	lxe_slots_close(take_ptr(k->metrics.slots));
	lxe_drop_fd(&k->metrics.asked);
}

/* Unknown where there was no terminal: what goes by us nobody counts. */
static uint64_t through_terminals(
	const struct lxe_keeper *k, uint64_t gone, uint64_t (*count)(const struct lxe_ring *ring))
{
	bool terminal = k->metrics.terminal;
	uint64_t n = gone;

	for (const struct lxe_process *p = k->processes; p; p = p->next) {
		terminal = terminal || p->ring;
		n += p->ring ? count(p->ring) : 0;
	}
	return terminal ? n : LXE_METRIC_UNKNOWN;
}

static uint32_t execs(const struct lxe_keeper *k)
{
	uint32_t n = 0;

	for (const struct lxe_process *p = k->processes; p; p = p->next)
		n += p != k->main && p->state != LXE_PROCESS_ENDED;
	return n;
}

/* Without pid 1 and its monitor, which are there when anything is. */
static uint32_t users_pids(uint64_t pids)
{
	if (pids >= LXE_METRIC_UNKNOWN32)
		return LXE_METRIC_UNKNOWN32;
	return pids > LXE_OWN_PROCESSES ? (uint32_t)pids - LXE_OWN_PROCESSES : 0;
}

static uint64_t cpu_since(uint64_t now, uint64_t before)
{
	if (now == LXE_METRIC_UNKNOWN || now < before)
		return LXE_METRIC_UNKNOWN;
	return now - before;
}

static void publish(struct lxe_keeper *k)
{
	const struct lxe_keeper_metrics *m = &k->metrics;
	const struct lxe_process *p = k->main;
	const struct lxe_metrics figures = {
		.cpu_us = cpu_since(m->usage.cpu_us, m->cpu_before),
		.memory_now = m->usage.memory,
		.memory_peak = m->usage.peak_memory,
		.bytes_in = through_terminals(k, m->bytes_in, lxe_ring_input),
		.bytes_out = through_terminals(k, m->bytes_out, lxe_ring_written),
		.started_us = m->started_us,
		.stopped_us = m->stopped_us,
		.state = k->state,
		.pids = users_pids(m->usage.pids),
		.pid = p && !p->reaped ? p->pid : 0,
		.execs = execs(k),
	};

	lxe_slot_publish(&m->slot, &figures);
}

void lxe_metrics_publish(struct lxe_keeper *k)
{
	if (!k->metrics.slot.slots)
		return;
	if (k->cgroup)
		lxe_cgroup_usage(k->cgroup, &k->metrics.usage);
	publish(k);
}

/*
 * Each of these is on the way of every one-shot: the state alone is told, and who wants to know what
 * is used asks.
 */
void lxe_metrics_moved(struct lxe_keeper *k)
{
	struct lxe_keeper_metrics *m = &k->metrics;

	if (!m->slot.slots)
		return;
	switch (k->state) {
	case LXE_CREATING:
		return;
	case LXE_CREATED:
		lxe_slot_activate(&m->slot);
		m->cpu_before = lxe_cgroup_cpu_us(k->cgroup);
		break;
	case LXE_RUNNING:
		m->started_us = sys_now_us();
		break;
	case LXE_STOPPED:
	case LXE_FAILED:
		m->stopped_us = sys_now_us();
		break;
	case LXE_GONE:
		lxe_slot_release(&m->slot);
		return;
	}
	publish(k);
}

void lxe_metrics_gone(struct lxe_process *p)
{
	struct lxe_keeper_metrics *m = &p->keeper->metrics;

	if (!p->ring)
		return;
	m->terminal = true;
	m->bytes_in += lxe_ring_input(p->ring);
	m->bytes_out += lxe_ring_written(p->ring);
}

void lxe_metrics_collect(const char *run, const char *id)
{
	struct lxe_slots *slots = NULL;

	/* To look for owners the file is opened as one of them, and that would make it. */
	if (lxe_slots_open(&slots, run, LXE_SLOTS_LOOK, NULL) < 0)
		return;
	lxe_slots_close(take_ptr(slots));
	if (lxe_slots_open(&slots, run, LXE_SLOTS_OWN, NULL) == 0)
		lxe_slots_collect(slots, id);
	lxe_slots_close(slots);
}
