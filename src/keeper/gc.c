/* Records that belong to nobody: found, and torn down. See teardown.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/state.h"
#include "keeper/teardown.h"
#include "proto/outcome_wire.h"
#include "proto/record.h"
#include "store/deferred.h"
#include "store/live.h"
#include "sys/proc.h"
#include "sys/socket.h"

#define TOOLS_END_MS 10000

/* What can be said of a run whose client and keeper are both gone. */
static void orphan_outcome(struct lxe_outcome *o, const char *id)
{
	*o = (struct lxe_outcome){ .cause = LXE_CAUSE_KILLED, .signal = 9, .bytes_out = -1 };
	snprintf(o->id, sizeof(o->id), "%s", id);
	snprintf(o->message, sizeof(o->message), "lxc-exec and its keeper were killed");
}

/* One whose teardown had to wait has said before how it ended. */
static bool stored_outcome(struct lxe_outcome *o, int dir)
{
	LXE_AUTOFREE unsigned char *bytes = NULL;
	size_t len = 0;

	return lxe_sandbox_get(dir, LXE_SANDBOX_OUTCOME, &bytes, &len) == 0 &&
	       lxe_outcome_decode(o, bytes, len) == 0;
}

/*
 * What an earlier boot has left in the journal needs no case of its own: cgroups are gone with that
 * kernel, which is success, and what has their names cannot be anybody else's, because the id is in
 * them.
 */
static void tell_ending(struct lxe_outcome *o, int dir, const char *id)
{
	struct lxe_record record = { 0 };

	if (stored_outcome(o, dir))
		return;
	orphan_outcome(o, id);
	if (lxe_record_read(&record, dir) == 0) {
		snprintf(o->name, sizeof(o->name), "%s", record.name);
		o->created_at_ms = record.created_at_ms;
		if (lxe_record_is_of_earlier_boot(&record))
			snprintf(o->message, sizeof(o->message), "%s", LXE_RESTARTED);
	}
	lxe_record_release(&record);
}

/* What an unowned record is. */
enum find {
	FIND_NOTHING,	    /* of a sandbox that has ended and is kept, or that is gone */
	FIND_ORPHAN,	    /* belongs to nobody: all of it goes */
	FIND_UNTIDY,	    /* has ended and is kept; a commit of it was killed */
	FIND_CRASHED,	    /* is kept, but nobody has ended it properly */
	FIND_DEFERRED_KEPT, /* the same, and known: somebody else still used it */
	FIND_DEFERRED,	    /* and nothing of it is kept */
	FIND_STRANGE,	    /* not ours to judge */
};

static enum find look_at(int dir, const char **why)
{
	struct lxe_record record = { 0 };
	struct lxe_live live;
	int r = lxe_record_read(&record, dir);
	bool keep;

	keep = record.keep;
	lxe_record_release(&record);
	/* On a disk for other reasons than that it is kept. */
	if (r == -ENOENT || (r == 0 && !keep))
		return FIND_ORPHAN;
	if (r == 0) {
		r = lxe_live_read(dir, &live);
		if (r == -ENOENT)
			return FIND_CRASHED;
	}
	if (r == 0 && live.state != LXE_STOPPED && live.state != LXE_FAILED)
		return FIND_CRASHED;
	if (r == 0)
		return faccessat(dir, LXE_SANDBOX_COMMIT, F_OK, AT_SYMLINK_NOFOLLOW) == 0
			       ? FIND_UNTIDY
			       : FIND_NOTHING;
	*why = r == -EPROTONOSUPPORT ? "its record is of another version of lxc-exec"
				     : "its record cannot be read";
	return FIND_STRANGE;
}

static enum find look_at_deferred(int dir, enum find otherwise)
{
	char reason[LXE_DEFERRED_MAX];
	bool keep;

	if (lxe_deferred_get(dir, &keep, reason) < 0)
		return otherwise;
	return keep ? FIND_DEFERRED_KEPT : FIND_DEFERRED;
}

/* In the run directory nothing outlives its keeper; in the state directory it depends. */
static enum find find(
	const struct lxe_dirs *dirs, const char *base, const char *id, const char **why)
{
	LXE_AUTOCLOSE int dir = -EBADF;

	dir = lxe_sandbox_open(base, id);
	if (dir < 0)
		return FIND_NOTHING;
	return look_at_deferred(dir, base == dirs->run ? FIND_ORPHAN : look_at(dir, why));
}

struct collection {
	const struct lxe_dirs *dirs;
	int timeout_ms;
	bool dry;
	lxe_gc_report report;
	void *arg;
};

/* Who is on the way to something else waits as good as not at all for what had to wait before. */
static int timeout_of(const struct collection *c, enum find found)
{
	bool waits = found == FIND_DEFERRED || found == FIND_DEFERRED_KEPT;

	return c->timeout_ms && waits ? 1 : c->timeout_ms;
}

/*
 * As far as it can be told in the pid namespace of whoever asks: in another one there is no process of that number,
 * or it is somebody else's. Who listens there is known by this namespace's number (unix(7), SO_PEERCRED), or by none.
 */
static bool keeper_is_ending(int dir)
{
	LXE_AUTOCLOSE int listens = sys_connect(dir, LXE_SANDBOX_SOCKET);
	struct lxe_live live;
	uid_t uid;
	pid_t pid;

	if (listens >= 0)
		pid = sys_peer(listens, &uid);
	else
		pid = lxe_live_read(dir, &live) == 0 ? live.keeper : 0;
	return pid > 0 && sys_is_ending(pid);
}

/*
 * A keeper that was killed, and what it had started, as the tools that set a firewall's rules, holds
 * the lock until the kernel has ended it, and that is waited for. A keeper that is alive lets nobody
 * else have it, and wakes up to be asked: so who is on the way to something else does not ask.
 */
static int patience_for(const struct collection *c, const char *base, const char *id)
{
	LXE_AUTOCLOSE int dir = c->timeout_ms ? -EBADF : lxe_sandbox_open(base, id);

	return dir >= 0 && keeper_is_ending(dir) ? TOOLS_END_MS : 0;
}

static int tear_down_orphan(
	const struct collection *c, const char *base, const char *id, enum find found)
{
	struct lxe_sandbox sandbox;
	struct lxe_outcome outcome;
	struct lxe_teardown t = {
		.sandbox = &sandbox,
		.outcome = &outcome,
		.result = -EBADF,
		.timeout_ms = timeout_of(c, found),
		.leave_children = true, /* none of them is in a sandbox of somebody who is gone */
		.keep = found == FIND_UNTIDY || found == FIND_CRASHED ||
			found == FIND_DEFERRED_KEPT,
		.run = c->dirs->run,
	};
	int patience = patience_for(c, base, id), r;

	r = lxe_sandbox_claim(&sandbox, base, id, patience, NULL);
	if (r == -EWOULDBLOCK && patience) {
		c->report(c->arg, id, "what its keeper had started has not ended");
		return 1;
	}
	if (r == -EWOULDBLOCK || r == -ENOENT)
		return 0;
	if (r < 0) {
		c->report(c->arg, id, "its directory cannot be opened");
		return 1;
	}
	tell_ending(&outcome, sandbox.dir, id);
	r = lxe_teardown(&t);
	/* Of one that stays nothing is said but a failure. */
	if (r < 0 || found != FIND_UNTIDY)
		c->report(c->arg, id, r < 0 ? outcome.residue : NULL);
	lxe_sandbox_release(&sandbox);
	return r < 0 || found != FIND_UNTIDY;
}

static int collect(const struct collection *c, const char *base, const char *id)
{
	const char *why = NULL;
	enum find found = find(c->dirs, base, id, &why);

	if (found == FIND_NOTHING)
		return 0;
	if (found == FIND_STRANGE) {
		if (lxe_sandbox_is_owned(base, id) != 0)
			return 0;
		c->report(c->arg, id, why);
		return 1;
	}
	if (c->dry && found == FIND_UNTIDY)
		return 0;
	if (!c->dry)
		return tear_down_orphan(c, base, id, found);
	if (lxe_sandbox_is_owned(base, id) != 0)
		return 0;
	c->report(c->arg, id, NULL);
	return 1;
}

static int collect_all(const struct collection *c, struct lxe_err *err)
{
	const char *const bases[] = { c->dirs->run, c->dirs->state };
	int r = 0, found = 0;

	for (size_t b = 0; r == 0 && b < 2; b++) {
		struct lxe_strv ids = { 0 };

		r = lxe_sandbox_list(bases[b], &ids, err);
		for (size_t i = 0; r == 0 && i < ids.n; i++)
			found += collect(c, bases[b], ids.v[i]);
		lxe_strv_release(&ids);
	}
	return r < 0 ? r : found;
}

int lxe_gc(const struct lxe_dirs *dirs, int timeout_ms, lxe_gc_report report, void *arg,
	struct lxe_err *err)
{
	const struct collection c = {
		.dirs = dirs, .timeout_ms = timeout_ms, .report = report, .arg = arg
	};

	return collect_all(&c, err);
}

int lxe_gc_dry(const struct lxe_dirs *dirs, lxe_gc_report report, void *arg, struct lxe_err *err)
{
	const struct collection c = { .dirs = dirs, .dry = true, .report = report, .arg = arg };

	return collect_all(&c, err);
}
