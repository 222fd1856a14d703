/* Whether it was the system call filter that ended a command. See process.h. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/str.h"
#include "keeper/keeper.h"

static const char *profile_of(const struct lxe_keeper *k)
{
	return k->main->spec.seccomp ? k->main->spec.seccomp : "default";
}

/* By SIGSYS, itself or, as shells tell it, one of its own. */
static bool got_sigsys(int status)
{
	return WIFSIGNALED(status) ? WTERMSIG(status) == SIGSYS
				   : WEXITSTATUS(status) == LXE_EXIT_SIGNAL + SIGSYS;
}

bool lxe_seccomp_judge(struct lxe_process *p)
{
	const struct lxe_keeper *k = p->keeper;
	struct lxe_outcome *o = &p->outcome;

	/* A program may have a filter of its own that ends it: ours does so only if its profile says it. */
	if (!k->filter.kills || !got_sigsys(p->status))
		return false;
	o->cause = LXE_CAUSE_POLICY;
	snprintf(o->message, sizeof(o->message),
		"the command was ended by SIGSYS: it made a system call that the seccomp profile "
		"'%.200s' kills for",
		profile_of(k));
	snprintf(o->rule, sizeof(o->rule), "seccomp %.200s", profile_of(k));
	snprintf(o->hint, sizeof(o->hint),
		"--seccomp-log lets it happen; with --learn FILE beside it, FILE names the calls");
	return true;
}

void lxe_seccomp_hint(const struct lxe_process *p, struct lxe_err *err)
{
	if (!p->keeper->main->spec.seccomp_text)
		return;
	lxe_rule(err, "seccomp %.200s", profile_of(p->keeper));
	lxe_hint(err, "the profile has to permit read, write, execve and exit_group for a start");
}
