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

static void tell(struct lxe_process *p, const char *what)
{
	struct lxe_outcome *o = &p->outcome;

	snprintf(o->message, sizeof(o->message), "%s '%.200s' kills for", what,
		profile_of(p->keeper));
	snprintf(o->rule, sizeof(o->rule), "seccomp %.200s", profile_of(p->keeper));
	snprintf(o->hint, sizeof(o->hint),
		"--seccomp-log lets it happen; with --learn FILE beside it, FILE names the calls");
}

/* Before it has a stack to speak from, a program that may not get memory ends like one with a bug. */
static void suspect_profile(struct lxe_process *p)
{
	struct lxe_outcome *o = &p->outcome;

	/* Of who was watched it is known what was refused. */
	if (!p->keeper->main->spec.seccomp_text || o->rule[0] || o->denied ||
		!WIFSIGNALED(p->status) || WTERMSIG(p->status) != SIGSEGV)
		return;
	snprintf(o->message, sizeof(o->message),
		"the command was ended by signal %d, as one is that is refused what it needs to begin",
		SIGSEGV);
	snprintf(o->rule, sizeof(o->rule), "seccomp %.200s", profile_of(p->keeper));
	snprintf(o->hint, sizeof(o->hint), "--learn FILE makes a profile of what the command uses");
}

bool lxe_seccomp_judge(struct lxe_process *p)
{
	const struct lxe_keeper *k = p->keeper;

	/* A program may have a filter of its own that ends it: ours does so only if its profile says it. */
	if (k->filter.kills && WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGSYS) {
		p->outcome.cause = LXE_CAUSE_POLICY;
		tell(p, "the command was ended by SIGSYS: it made a system call that the seccomp "
			"profile");
		return true;
	}
	/* As shells tell it of one of their own; or it is what this program ends with. */
	if (k->filter.kills && !WIFSIGNALED(p->status) && !p->outcome.rule[0] &&
		WEXITSTATUS(p->status) == LXE_EXIT_SIGNAL + SIGSYS)
		tell(p, "status 159 may tell of a process that was ended by SIGSYS: by a system "
			"call that the seccomp profile");
	suspect_profile(p);
	return false;
}

void lxe_seccomp_hint(const struct lxe_process *p, struct lxe_err *err)
{
	if (!p->keeper->main->spec.seccomp_text)
		return;
	lxe_rule(err, "seccomp %.200s", profile_of(p->keeper));
	lxe_hint(err,
		"a profile has to permit read, write, execve and exit_group before the command "
		"begins, and then what the command's loader needs: --learn FILE makes one that does");
}
