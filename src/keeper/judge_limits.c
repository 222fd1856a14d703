/* Which limit a command ran into. See limits.h. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "keeper/keeper.h"
#include "keeper/view.h"

/* By SIGKILL, itself or, as shells tell it, one of its own. */
static bool was_killed(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
				   : WEXITSTATUS(status) == LXE_EXIT_SIGNAL + SIGKILL;
}

static void size_text(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "KMGT";
	size_t unit = 0;

	while (unit < sizeof(units) - 1 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, size, "%" PRIu64 "%.*s", bytes, unit ? 1 : 0, units + (unit ? unit - 1 : 0));
}

static bool out_of_memory(struct lxe_process *p)
{
	uint64_t kills = lxe_cgroup_leaf_oom_kills(p->leaf);
	struct lxe_outcome *o = &p->outcome;
	char size[32];

	/* Its own count where it has one: another command's death is not its cause. */
	if (kills == LXE_CGROUP_UNKNOWN)
		kills = o->oom_kills - p->limits.oom_before;
	if (!kills || !was_killed(p->status))
		return false;
	o->cause = LXE_CAUSE_OOM;
	if (!p->keeper->main->spec.memory) {
		snprintf(o->message, sizeof(o->message), "the host ran out of memory");
		snprintf(o->hint, sizeof(o->hint), "--memory SIZE limits what a sandbox may use");
		return true;
	}
	size_text(size, sizeof(size), p->keeper->main->spec.memory);
	snprintf(o->message, sizeof(o->message), "the sandbox ran out of memory: its limit is %s",
		size);
	snprintf(o->rule, sizeof(o->rule), "memory %s", size);
	snprintf(o->hint, sizeof(o->hint), "--memory SIZE sets the limit");
	return true;
}

static bool out_of_time(struct lxe_process *p)
{
	const struct lxe_process *whose = p->spec.limits.cpu_time_ms ? p : p->keeper->main;
	struct lxe_outcome *o = &p->outcome;
	char duration[32];

	if (!p->limits.spent)
		return false;
	lxe_life_duration(duration, sizeof(duration), whose->spec.limits.cpu_time_ms);
	o->cause = LXE_CAUSE_LIMIT;
	snprintf(o->message, sizeof(o->message), "%s used up its processor time of %s",
		whose == p ? "the command" : "the sandbox", duration);
	snprintf(o->rule, sizeof(o->rule), "cpu-time %s", duration);
	snprintf(o->hint, sizeof(o->hint), "--cpu-time DURATION sets the limit");
	return true;
}

/* Has nothing else ever been in the sandbox, so that what was met there was met by this command? */
static bool is_alone(const struct lxe_process *p)
{
	return p == p->keeper->main && p->keeper->next_number == 1;
}

/* The sandbox met with it while the command ran: the cause of its failure, or only worth a hint? */
static bool tell_shortage(struct lxe_process *p, bool certain, const char *what)
{
	struct lxe_outcome *o = &p->outcome;

	snprintf(o->message, sizeof(o->message), "%s%s",
		certain ? "" : "the command failed, maybe of this: ", what);
	if (certain)
		o->cause = LXE_CAUSE_LIMIT;
	return certain;
}

static bool out_of_pids(struct lxe_process *p)
{
	uint64_t limit = p->keeper->main->spec.pids, own = LXE_CGROUP_UNKNOWN;
	struct lxe_outcome *o = &p->outcome;
	char what[128];

	if (!limit || o->pids_refused <= p->limits.pids_before)
		return false;
	if (p->leaf)
		own = lxe_cgroup_leaf_pids_hits(p->leaf, limit);
	/* It was another's. */
	if (!own)
		return false;
	snprintf(what, sizeof(what),
		"the sandbox reached its limit of %" PRIu64 " processes and threads", limit);
	snprintf(o->rule, sizeof(o->rule), "pids %" PRIu64, limit);
	snprintf(o->hint, sizeof(o->hint), "--pids N sets the limit");
	return tell_shortage(p, own != LXE_CGROUP_UNKNOWN || is_alone(p), what);
}

/* The one that counts of a name: the last. */
static const char *ulimit_of(const struct lxe_process *p, const char *name)
{
	const struct lxe_strv *list = &p->spec.limits.ulimits;
	size_t i = list->n;

	while (i > 0 && !lxe_starts_with(list->v[i - 1], name))
		i--;
	return i ? list->v[i - 1] : NULL;
}

/* At the hard limit of processor time the kernel sends no other signal than SIGKILL. */
static bool is_beyond(const struct lxe_outcome *o, const char *text)
{
	struct lxe_ulimit ulimit;

	return lxe_ulimit_parse(text, &ulimit, NULL) == 0 &&
	       (o->user_us + o->system_us) / 1000000 >= ulimit.limit.rlim_max;
}

static bool hit_ulimit(struct lxe_process *p)
{
	int signal = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : 0;
	struct lxe_outcome *o = &p->outcome;
	const char *text = NULL;

	if (signal == SIGXFSZ)
		text = ulimit_of(p, "fsize=");
	else if (signal == SIGXCPU || signal == SIGKILL)
		text = ulimit_of(p, "cpu=");
	if (!text || (signal == SIGKILL && !is_beyond(o, text)))
		return false;
	o->cause = LXE_CAUSE_LIMIT;
	snprintf(o->message, sizeof(o->message), "the command went beyond its ulimit %s", text);
	snprintf(o->rule, sizeof(o->rule), "ulimit %s", text);
	snprintf(o->hint, sizeof(o->hint), "--ulimit NAME=SOFT[:HARD] sets the limit");
	return true;
}

/* A write that failed leaves no trace but the last free block that is gone. */
static bool out_of_disk(struct lxe_process *p)
{
	struct lxe_outcome *o = &p->outcome;
	uint64_t disk = p->keeper->main->spec.limits.disk;
	struct statvfs vfs;
	char size[32], what[128];

	if (!disk || statvfs(LXE_VIEW_DIR "/rw", &vfs) < 0 || (vfs.f_bavail && vfs.f_favail))
		return false;
	size_text(size, sizeof(size), disk);
	snprintf(what, sizeof(what), "the sandbox's disk of %s is full", size);
	snprintf(o->rule, sizeof(o->rule), "disk %s", size);
	snprintf(o->hint, sizeof(o->hint), "--disk SIZE sets the limit");
	return tell_shortage(p, is_alone(p), what);
}

/* Without memory for its stack or its data a program ends by a signal that it could have earned itself. */
static void suspect_ulimit(struct lxe_process *p)
{
	static const char *const names[] = { "as=", "data=", "stack=" };
	int signal = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : 0;
	struct lxe_outcome *o = &p->outcome;
	const char *text = NULL;

	if (signal != SIGSEGV && signal != SIGBUS && signal != SIGABRT && signal != SIGKILL)
		return;
	for (size_t i = 0; !text && i < sizeof(names) / sizeof(names[0]); i++)
		text = ulimit_of(p, names[i]);
	if (!text)
		return;
	snprintf(o->message, sizeof(o->message),
		"the command was ended by signal %d, as one is that its ulimit %s leaves without "
		"memory",
		signal, text);
	snprintf(o->rule, sizeof(o->rule), "ulimit %s", text);
	snprintf(o->hint, sizeof(o->hint), "--ulimit NAME=SOFT[:HARD] sets the limit");
}

static bool has_failed(int status)
{
	return WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
}

bool lxe_limits_judge_kill(struct lxe_process *p)
{
	return out_of_time(p) || out_of_memory(p);
}

bool lxe_limits_judge(struct lxe_process *p)
{
	if (lxe_limits_judge_kill(p))
		return true;
	/* Whoever gets on without is not stopped by it. */
	if (!has_failed(p->status))
		return false;
	if (hit_ulimit(p) || out_of_pids(p) || out_of_disk(p))
		return true;
	if (!p->outcome.rule[0])
		suspect_ulimit(p);
	return false;
}
