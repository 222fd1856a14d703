/*
 * The one teardown: replay a sandbox's journal from its end, undo each entry, verify that it is
 * gone, and remove the sandbox's directory last. The keeper, the client whose keeper died, the next
 * run and gc all end here and nowhere else. Blocks, with a deadline, until processes have ended.
 */
#ifndef LXE_KEEPER_TEARDOWN_H
#define LXE_KEEPER_TEARDOWN_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "keeper/network_helper.h"
#include "store/dirs.h"
#include "store/outcome.h"
#include "store/sandbox.h"

struct lxe_teardown {
	struct lxe_sandbox *sandbox;	       /* whose lock the caller holds */
	const struct lxe_cgroup_host *cgroups; /* NULL: they are looked for here */
	/*
	 * Told of every child of the caller that is reaped on the way (all that have ended are: an
	 * unreaped one keeps its pid namespace alive). May be NULL.
	 */
	void (*reaped)(void *arg, pid_t pid, int status, const struct rusage *usage);
	void *arg;
	/* How the run ended; its teardown_ok and residue are filled in. */
	struct lxe_outcome *outcome;
	/* The caller's children are not ours to reap: it is a program that waits for its own. */
	bool lingering; /* something of it still runs, in no cgroup that could tell */
	bool leave_children;
	struct lxe_net_helper
		*network; /* who takes the network back already; NULL: nobody does yet */
	/* What is outside the sandbox's directory goes, the rest stays and says how it ended. */
	bool keep;
	const char *run; /* the run directory, for the metrics slot of a dead keeper; may be NULL */
	int timeout_ms;	 /* for the processes of one cgroup to end; 0: the usual 10 s */
	uint64_t begun_us; /* CLOCK_MONOTONIC, for its teardown span; 0: not wanted */
	int result; /* where the record goes; negative: to the path in the journal, if it is empty */
};

/*
 * 0 when everything is gone. Otherwise a negative errno: what is left is in outcome->residue, a line
 * each, and the directory with its journal and a note of that (store/deferred.h) stays for the next gc.
 */
int lxe_teardown(const struct lxe_teardown *t);

/*
 * Take every record whose lock is free and tear it down, for which each of its cgroups has
 * timeout_ms (0: the usual 10 s, and as long for the lock of a keeper that has been killed and is
 * about to end); one that is kept and has ended stays, one that is kept and has not is ended. For
 * each of the others `report` is called with what remains of it (NULL: nothing). Returns how many
 * there were, or a negative errno. lxe_gc_dry() changes nothing.
 */
typedef void (*lxe_gc_report)(void *arg, const char *id, const char *residue);
int lxe_gc(const struct lxe_dirs *dirs, int timeout_ms, lxe_gc_report report, void *arg,
	struct lxe_err *err);
int lxe_gc_dry(const struct lxe_dirs *dirs, lxe_gc_report report, void *arg, struct lxe_err *err);

#endif
