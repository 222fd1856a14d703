/* How a process ended: from what the keeper has seen to the outcome. See process.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "keeper/blocked.h"
#include "keeper/keeper.h"

static void say_timeout(struct lxe_process *p)
{
	struct lxe_outcome *o = &p->outcome;
	char duration[32];

	if (p->keeper->life.expired) {
		lxe_life_tell(p->keeper, o);
		return;
	}
	lxe_life_duration(duration, sizeof(duration), p->spec.timeout_ms);
	snprintf(o->message, sizeof(o->message),
		p->late ? "the command has ended, but its output was not read within %s"
			: "command timed out after %s",
		duration);
	snprintf(o->rule, sizeof(o->rule), "timeout %s", duration);
	snprintf(o->hint, sizeof(o->hint), "--timeout DURATION sets the limit");
}

/* Why there is no sandbox any more is why it ended: its own command's reason is said of it, too. */
static void say_ended_with_sandbox(struct lxe_process *p)
{
	const struct lxe_outcome *of = &p->keeper->outcome;
	struct lxe_outcome *o = &p->outcome;

	o->cause = LXE_CAUSE_KILLED;
	o->signal = SIGKILL;
	if (p == p->keeper->main)
		return;
	snprintf(o->message, sizeof(o->message), "the sandbox ended, and the command with it%s%.*s",
		of->message[0] ? ": " : "", (int)sizeof(o->message) / 2, of->message);
	memcpy(o->rule, of->rule, sizeof(o->rule));
	memcpy(o->hint, of->hint, sizeof(o->hint));
}

/* The sandbox has ended: those that still run are ended with it. */
static void leave_behind(struct lxe_keeper *k)
{
	for (struct lxe_process *p = k->processes; p; p = p->next)
		p->left = p != k->main && !p->reaped;
}

void lxe_process_judge(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;
	struct lxe_outcome *o = &p->outcome;
	struct lxe_cgroup_stats stats = { 0 };
	struct lxe_err err = { 0 };

	if (p == k->main)
		leave_behind(k);
	if (k->cgroup)
		lxe_cgroup_stats(k->cgroup, &stats);
	o->peak_memory = stats.peak_memory;
	o->oom_kills = stats.oom_kills;
	o->pids_refused = stats.pids_max_hits;
	lxe_blocked_tell(k, o);
	o->has_status = p->reaped;
	o->status = p->status;
	if (p->output.governor)
		lxe_governor_tell(p->output.governor, o);
	else
		o->bytes_out = p->ring ? (int64_t)lxe_ring_written(p->ring) : -1;
	if (k->life.expired && p->timed_out) {
		o->cause = LXE_CAUSE_TIMEOUT;
		say_timeout(p);
	} else if (k->stopping || p->stopping) {
		int signal = p->stopping ? p->stop_signal : k->stop_signal;

		o->cause = LXE_CAUSE_KILLED;
		/* A client that vanished without a word was killed. */
		o->signal = signal ? signal : SIGKILL;
	} else if (o->error) {
		o->cause = LXE_CAUSE_ERROR;
	} else if (p->timed_out) {
		o->cause = LXE_CAUSE_TIMEOUT;
		say_timeout(p);
	} else if (!p->reaped || p->left) {
		/* What has ended the sandbox may have been this command's as well. */
		if (!p->reaped || !lxe_limits_judge_kill(p))
			say_ended_with_sandbox(p);
	} else if (p->output.lost) {
		o->error = LXE_EXIT_ERROR;
		o->cause = LXE_CAUSE_ERROR;
		lxe_fail(&err, p->output.lost, "pass on the command's output");
		lxe_outcome_take_err(o, &err);
	} else if (!lxe_limits_judge(p) && !lxe_seccomp_judge(p)) {
		o->cause = WIFSIGNALED(p->status) ? LXE_CAUSE_SIGNAL : LXE_CAUSE_EXIT;
		lxe_denial_judge(p);
	}
}
