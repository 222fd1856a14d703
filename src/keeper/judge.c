/* How the run ended: from what the keeper has seen to the outcome. See keeper.h. */
#include <signal.h>
#include <sys/wait.h>

#include "keeper/keeper.h"

/* By SIGKILL, itself or, as shells tell it, one of its own. */
static bool was_killed(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
				   : WEXITSTATUS(status) == LXE_EXIT_SIGNAL + SIGKILL;
}

void lxe_keeper_judge(struct lxe_keeper *k)
{
	struct lxe_cgroup_stats stats = { 0 };

	if (k->cgroup)
		lxe_cgroup_stats(k->cgroup, &stats);
	k->outcome.peak_memory = stats.peak_memory;
	k->outcome.has_status = k->command.ended;
	k->outcome.status = k->command.status;
	k->outcome.bytes_out = k->ring ? (int64_t)lxe_ring_written(k->ring) : -1;
	if (k->stopping) {
		k->outcome.cause = LXE_CAUSE_KILLED;
		/* A client that vanished without a word was killed. */
		k->outcome.signal = k->stop_signal ? k->stop_signal : SIGKILL;
	} else if (k->state == LXE_FAILED) {
		k->outcome.cause = LXE_CAUSE_ERROR;
	} else if (k->timed_out) {
		k->outcome.cause = LXE_CAUSE_TIMEOUT;
	} else if (stats.oom_kills && was_killed(k->command.status)) {
		k->outcome.cause = LXE_CAUSE_OOM;
	} else {
		k->outcome.cause =
			WIFSIGNALED(k->command.status) ? LXE_CAUSE_SIGNAL : LXE_CAUSE_EXIT;
	}
}
