#include "keeper/teardown.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "changes/changes.h"
#include "keeper/members.h"
#include "keeper/metrics.h"
#include "keeper/state.h"
#include "proto/outcome_wire.h"
#include "proto/wire.h"
#include "store/deferred.h"
#include "store/layers.h"
#include "store/live.h"
#include "store/names.h"
#include "store/rootless.h"
#include "sys/proc.h"

#define CGROUP_TIMEOUT_MS 10000

struct replay {
	const struct lxe_teardown *t;
	const struct lxe_cgroup_host *cgroups;
	struct lxe_cgroup_reaper reaper;
	struct lxe_net_helper network;
	struct in_addr guest4;
	uint64_t netns;
	bool has_network;
	char *result; /* the path of the result record, if the journal names one */
	int r;	      /* the first failure */
};

static void add_residue(struct replay *p, int r, const char *text)
{
	struct lxe_outcome *o = p->t->outcome;
	size_t used = strlen(o->residue);

	if (p->r == 0)
		p->r = r;
	snprintf(o->residue + used, sizeof(o->residue) - used, "%s%s", used ? "\n" : "", text);
}

static void undo_cgroup(struct replay *p, const char *path)
{
	int timeout = p->t->timeout_ms ? p->t->timeout_ms : CGROUP_TIMEOUT_MS;
	struct lxe_err err = { 0 };
	int r;

	r = lxe_cgroup_destroy(p->cgroups, path, timeout, &p->reaper, &err);
	if (r < 0)
		add_residue(p, r, err.msg);
}

static void undo_name(struct replay *p, const char *path)
{
	char text[LXE_ERR_MSG_MAX], reason[128];
	int r;

	if (p->t->keep)
		return;
	/* Whoever is killed between the two leaves nothing that is kept, instead of something that has no name. */
	if (p->r == 0)
		lxe_sandbox_drop(p->t->sandbox->dir, LXE_SANDBOX_RECORD);
	r = lxe_name_drop(path, p->t->sandbox->id);
	if (r < 0) {
		snprintf(text, sizeof(text), "drop the name '%s': %s", path,
			lxe_reason(r, reason, sizeof(reason)));
		add_residue(p, r, text);
	}
}

/*
 * Where there is no cgroup its pid 1 tells of all. The keeper's end has killed it, so there is nothing to do
 * but to see it.
 */
static void undo_init(struct replay *p, const char *path)
{
	int timeout = p->t->timeout_ms ? p->t->timeout_ms : CGROUP_TIMEOUT_MS, r;
	char text[LXE_ERR_MSG_MAX];

	r = lxe_members_end(path, timeout);
	if (r == 0)
		return;
	snprintf(text, sizeof(text), "processes below pid 1 of the sandbox (%s) do not end", path);
	add_residue(p, r, text);
}

/* What a commit that was killed has left; by one that lives it is still needed, and he removes it. */
static void undo_stage(struct replay *p, const char *path)
{
	char text[LXE_ERR_MSG_MAX], reason[128];
	int r = lxe_changes_sweep(path);

	if (r == 0)
		return;
	snprintf(text, sizeof(text), "remove '%s' of a commit: %s", path,
		lxe_reason(r, reason, sizeof(reason)));
	add_residue(p, r, text);
}

/* Without the keeper, whose children they are, and without a cgroup nothing else knows of them. */
static void end_forks(struct replay *p)
{
	int timeout = p->t->timeout_ms ? p->t->timeout_ms : CGROUP_TIMEOUT_MS;

	if (!p->t->cgroups && lxe_is_rootless() &&
		lxe_members_end_forks(p->t->sandbox->id, timeout) < 0)
		add_residue(p, -ETIMEDOUT, "processes of the sandbox's keeper that do not end");
}

/*
 * Begun here, beside the end of the processes, which the device waits for, and waited for at the end of the
 * replay. The address was journalled last, so it has been seen by now.
 */
static void undo_network(struct replay *p)
{
	struct lxe_net_undo_how how = {
		.guest4 = p->guest4,
		.netns = p->netns,
		.mounts = -EBADF,
		.lease = -EBADF,
		.undo_v4 = -EBADF,
		.undo_v6 = -EBADF,
		.log = -EBADF,
		.apart = true,
	};
	struct lxe_err err = { 0 };
	struct lxe_dirs dirs;
	int r;

	if (p->has_network)
		return;
	p->has_network = true;
	if (p->t->network) {
		p->network = *p->t->network;
		*p->t->network = LXE_NET_HELPER_NONE;
		return;
	}
	r = lxe_dirs_find(&dirs, &err);
	memcpy(how.id, p->t->sandbox->id, sizeof(how.id));
	how.run = p->t->run ? p->t->run : dirs.run;
	how.libexec = dirs.libexec;
	if (r == 0)
		r = lxe_net_undo_begin(&p->network, &how, &err);
	if (r < 0)
		add_residue(p, r, err.msg);
}

static void await_network(struct replay *p)
{
	struct lxe_err err = { 0 };
	int r;

	if (p->network.socket < 0)
		return;
	r = lxe_net_undo_await(&p->network, &err);
	if (r < 0)
		add_residue(p, r, err.msg);
}

static void undo(void *arg, const struct lxe_entry *entry)
{
	struct replay *p = arg;

	switch (entry->kind) {
	case LXE_ENTRY_CGROUP:
		undo_cgroup(p, entry->path);
		break;
	case LXE_ENTRY_NAME:
		undo_name(p, entry->path);
		break;
	case LXE_ENTRY_INIT:
		undo_init(p, entry->path);
		break;
	case LXE_ENTRY_STAGE:
		undo_stage(p, entry->path);
		break;
	case LXE_ENTRY_ADDRESS:
		inet_pton(AF_INET, entry->path, &p->guest4);
		break;
	case LXE_ENTRY_NETNS:
		lxe_parse_u64(entry->path, 1, UINT64_MAX, &p->netns);
		break;
	case LXE_ENTRY_VETH:
	case LXE_ENTRY_RULES:
		undo_network(p);
		break;
	case LXE_ENTRY_RESULT:
		/* Written at the end, when it can say how the teardown went. */
		free(p->result);
		p->result = strdup(entry->path);
		break;
	}
}

static void replay_journal(struct replay *p)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	int r;

	r = lxe_journal_read(p->t->sandbox, &text, &len);
	if (r == 0)
		r = lxe_journal_replay(text, len, undo, p);
	if (r < 0)
		add_residue(p, r, "a part of the journal that cannot be read");
	await_network(p);
}

/* Those that it alone has led to; what cannot be removed is the next gc's. */
static bool has_layers(int dir)
{
	struct stat st;

	return fstatat(dir, LXE_SANDBOX_BASE, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       fstatat(dir, LXE_SANDBOX_SNAPSHOTS, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void remove_directory(struct replay *p)
{
	bool layers = has_layers(p->t->sandbox->dir);
	char text[LXE_ERR_MSG_MAX], reason[128];
	int r;

	r = lxe_sandbox_remove(p->t->sandbox);
	if (r == 0 && layers)
		lxe_layers_sweep(p->t->sandbox->parent, false);
	if (r < 0) {
		snprintf(text, sizeof(text), "remove the directory of sandbox '%s': %s",
			p->t->sandbox->id, lxe_reason(r, reason, sizeof(reason)));
		add_residue(p, r, text);
	}
}

/* The record of a run of which nobody is left to write it: only into the file that it left empty. */
static void write_result_by_path(const struct lxe_outcome *o, const char *path)
{
	LXE_AUTOCLOSE int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
		lxe_outcome_write(o, fd, NULL);
}

/* A record that was asked for and cannot be written is a failure like any other. */
static void write_result(struct lxe_outcome *o, int fd)
{
	struct lxe_err err = { 0 };

	if (lxe_outcome_write(o, fd, &err) == 0)
		return;
	o->cause = LXE_CAUSE_ERROR;
	o->error = LXE_EXIT_ERROR;
	lxe_outcome_take_err(o, &err);
}

static int with_cgroups(struct replay *p, struct lxe_cgroup_host **found)
{
	struct lxe_err err = { 0 };
	int r;

	p->cgroups = p->t->cgroups;
	if (p->cgroups)
		return 0;
	r = lxe_cgroup_host_open(found, "/proc/self/mountinfo", "/proc/self/cgroup", &err);
	/* An ordinary user may have had none; what his journal names all the same is then residue. */
	if (r < 0 && lxe_is_rootless())
		r = lxe_cgroup_host_none(found, &err);
	if (r < 0)
		add_residue(p, r, err.msg);
	p->cgroups = *found;
	return r;
}

static void reaped(void *replay, pid_t pid, int status, const struct rusage *usage)
{
	const struct lxe_teardown *t = ((struct replay *)replay)->t;

	if (t->reaped)
		t->reaped(t->arg, pid, status, usage);
}

static void reap_children(struct replay *p)
{
	struct rusage usage;
	int status;
	pid_t pid;

	if (p->t->leave_children)
		return;
	while ((pid = sys_reap(-1, &status, &usage)) > 0)
		reaped(p, pid, status, &usage);
}

/* What is kept says how it ended, and then that it has. */
static void keep_outcome(struct replay *p)
{
	const struct lxe_sandbox *s = p->t->sandbox;
	struct lxe_outcome *o = p->t->outcome;
	struct lxe_live live = { 0 };
	struct lxe_writer w = { 0 };
	LXE_AUTOCLOSE int fd = -EBADF;
	int r;

	unlinkat(s->dir, LXE_SANDBOX_SOCKET, 0);
	lxe_outcome_encode(&w, o);
	r = w.error ? w.error : lxe_sandbox_put(s->dir, LXE_SANDBOX_OUTCOME, w.buf, w.len);
	lxe_writer_release(&w);
	lxe_live_read(s->dir, &live);
	live.state = o->error ? LXE_FAILED : LXE_STOPPED;
	live.pid = live.keeper = 0;
	live.expires_at_ms = 0;
	fd = lxe_live_open(s->dir);
	if (r == 0)
		r = fd < 0 ? fd : lxe_live_write(fd, &live);
	if (r == 0 && o->teardown_ok) {
		lxe_deferred_drop(s->dir);
		lxe_sandbox_drop(s->dir, LXE_SANDBOX_COMMIT);
	}
	if (r < 0) {
		add_residue(p, r, "the record of how it ended cannot be written");
		o->teardown_ok = false;
	}
}

/*
 * The journal says what is left; this note, why, and what is to become of the files. Without it one
 * that is kept must not look as if it had ended properly.
 */
static int defer(const struct replay *p)
{
	const struct lxe_teardown *t = p->t;

	return p->r < 0 ? lxe_deferred_put(t->sandbox->dir, t->keep, t->outcome->residue) : 0;
}

int lxe_teardown(const struct lxe_teardown *t)
{
	struct replay p = { .t = t, .network = LXE_NET_HELPER_NONE };
	struct lxe_cgroup_host *found = NULL;

	p.reaper = (struct lxe_cgroup_reaper){ .reaped = reaped, .arg = &p };
	t->outcome->residue[0] = '\0';
	if (t->lingering)
		add_residue(&p, -ETIMEDOUT, "processes of the sandbox that do not end");
	end_forks(&p);
	reap_children(&p);
	if (with_cgroups(&p, &found) == 0)
		replay_journal(&p);
	reap_children(&p);
	if (t->run)
		lxe_metrics_collect(t->run, t->sandbox->id);
	if (p.r == 0 && !t->keep)
		remove_directory(&p);
	t->outcome->teardown_ok = p.r == 0;
	if (defer(&p) == 0 && t->keep)
		keep_outcome(&p);
	if (t->begun_us)
		t->outcome->spans_us[LXE_SPAN_TEARDOWN] = sys_now_us() - t->begun_us;
	if (t->result >= 0)
		write_result(t->outcome, t->result);
	else if (p.result)
		write_result_by_path(t->outcome, p.result);
	free(p.result);
	lxe_cgroup_host_free(found);
	return p.r;
}
