#include "keeper/cow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "changes/changes.h"
#include "keeper/keeper.h"
#include "proto/record.h"

#define COMMIT_MS 10000
#define END_MS 10000 /* for all that runs inside, once it was killed */

int lxe_cow_take(struct lxe_keeper *k, struct lxe_sources *sources, struct lxe_err *err)
{
	size_t n = lxe_mounts_count_cow(&k->main->spec.mounts);

	if (!n)
		return 0;
	k->cow.v = calloc(n, sizeof(*k->cow.v));
	if (!k->cow.v)
		return lxe_fail(err, -ENOMEM, "remember the copy-on-write layers");
	for (size_t i = 0; i < sources->n; i++) {
		struct lxe_cow_origin *cow = sources->v[i].cow;

		if (cow)
			k->cow.v[k->cow.n++] = (struct lxe_keeper_layer){
				.index = i,
				.source = take_fd(&cow->source),
				.layer = take_fd(&cow->layer),
			};
	}
	return 0;
}

/* One with a newline in its path cannot be named there: what is left in it is the next commit's. */
static int journal_one(
	struct lxe_keeper *k, size_t i, const struct lxe_mount *m, struct lxe_err *err)
{
	LXE_AUTOFREE char *path = NULL;
	char name[LXE_STAGE_NAME_MAX];

	if (!m->cow || strchr(m->src, '\n'))
		return 0;
	lxe_changes_stage_name(name, k->sandbox.id, i);
	if (asprintf(&path, "%s/%s", m->src, name) < 0)
		return lxe_fail(err, -ENOMEM, "write the journal");
	return lxe_journal_add(&k->sandbox, &(struct lxe_entry){ LXE_ENTRY_STAGE, path }, 1, err);
}

int lxe_cow_journal(struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_mounts *mounts = &k->main->spec.mounts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < mounts->n; i++)
		r = journal_one(k, i, &mounts->v[i], err);
	return r;
}

void lxe_cow_release(struct lxe_keeper_cow *cow)
{
	for (size_t i = 0; i < cow->n; i++) {
		lxe_close(cow->v[i].source);
		lxe_close(cow->v[i].layer);
	}
	free(cow->v);
	*cow = (struct lxe_keeper_cow){ 0 };
}

bool lxe_cow_keeps(const struct lxe_keeper *k)
{
	return k->main && (k->main->spec.keep || k->cow.keep);
}

/* While it is made, the keeper waits for what would be frozen, and asks the monitor. */
static bool can_be_frozen(const struct lxe_keeper *k)
{
	return k->cgroup && k->container && k->state != LXE_CREATING && !k->stopping;
}

/* The monitor is in the same group: what only it tells is asked before. */
static int freeze_all(struct lxe_keeper *k)
{
	int r = lxe_container_know(k->container);

	return r < 0 ? r : lxe_cgroup_freeze(k->cgroup, true);
}

static void time_steps_anew(struct lxe_keeper *k)
{
	for (struct lxe_process *p = k->processes; p; p = p->next)
		lxe_process_time_step_anew(p);
}

static void freeze(struct lxe_channel *c)
{
	struct lxe_keeper *k = c->keeper;

	if (c->freezes || !can_be_frozen(k))
		return;
	/* Where it cannot be had, what changes meanwhile is noticed by who carries it over. */
	if (k->cow.freezers == 0 && freeze_all(k) < 0)
		return;
	c->freezes = true;
	if (k->cow.freezers++ == 0)
		time_steps_anew(k);
}

void lxe_cow_thaw(struct lxe_keeper *k)
{
	if (--k->cow.freezers)
		return;
	if (k->cgroup)
		lxe_cgroup_freeze(k->cgroup, false);
	time_steps_anew(k);
}

static const struct lxe_keeper_layer *layer_of(const struct lxe_keeper *k, size_t index)
{
	for (size_t i = 0; i < k->cow.n; i++)
		if (k->cow.v[i].index == index)
			return &k->cow.v[i];
	return NULL;
}

void lxe_cow_give(struct lxe_channel *c, const struct lxe_msg *msg)
{
	const struct lxe_keeper_layer *layer = layer_of(c->keeper, msg->process);
	struct lxe_err err = { 0 };
	struct lxe_msg answer;

	if (!layer) {
		lxe_fail_msg(&err, -ENOENT, "its copy-on-write layers are not there yet");
		lxe_hint(&err, "try again");
		lxe_channel_send_refusal(c, &err);
		return;
	}
	if (msg->flags & LXE_LAYER_FREEZE) {
		c->commits = true;
		freeze(c);
	}
	c->layers = true;
	lxe_msg_init(&answer, LXE_MSG_LAYER);
	answer.process = msg->process;
	answer.fds[LXE_FD_SOURCE] = layer->source;
	answer.fds[LXE_FD_LAYER] = layer->layer;
	lxe_channel_send(c, &answer);
}

static void end_all(struct lxe_keeper *k)
{
	LXE_AUTOCLOSE int init = k->container ? lxe_container_pidfd(k->container) : -EBADF;

	lxe_keeper_kill_container(k);
	/* With pid 1 all of its namespace has ended. */
	if (init >= 0)
		lxe_keeper_wait(k, init, END_MS);
}

static bool nobody_commits(const struct lxe_keeper *k)
{
	for (const struct lxe_channel *c = k->channels; c; c = c->next)
		if (c->commits)
			return false;
	return true;
}

static bool is_in_use(const struct lxe_keeper *k)
{
	for (const struct lxe_channel *c = k->channels; c; c = c->next)
		if (c->layers)
			return true;
	return false;
}

/* A client that was killed may have left somebody behind who still carries over. */
static bool is_settled(const struct lxe_keeper *k)
{
	if (!k->cow.settling)
		return true;
	return (k->stopping || !k->main->client) && !is_in_use(k);
}

/* He has noted what is to become of it before he began, and again at his end. */
static bool is_to_be_kept(const struct lxe_keeper *k)
{
	struct lxe_record record = { 0 };
	bool keep = lxe_record_read(&record, k->sandbox.dir) == 0 && record.keep;

	lxe_record_release(&record);
	return keep;
}

void lxe_cow_settle(struct lxe_keeper *k)
{
	struct lxe_process *p = k->main;
	struct lxe_msg msg;

	/* What they have in the sources is theirs to remove. */
	if (k->cow.n)
		lxe_keeper_wait_until(k, nobody_commits, COMMIT_MS);
	if (!lxe_spec_settles(&p->spec) || !k->cow.n || k->stopping || !p->client ||
		p->client->detached || !p->started)
		return;
	k->cow.settling = true;
	end_all(k);
	lxe_process_judge(p);
	lxe_msg_init(&msg, LXE_MSG_SETTLE);
	msg.outcome = p->outcome;
	msg.outcome.teardown_ok = true;
	if (p->client)
		lxe_channel_send(p->client, &msg);
	lxe_keeper_wait_until(k, is_settled, -1);
	if (k->cow.settling)
		k->cow.keep = is_to_be_kept(k);
	k->cow.settling = false;
}

void lxe_cow_settled(struct lxe_channel *c, const struct lxe_msg *msg)
{
	struct lxe_keeper *k = c->keeper;
	const struct lxe_outcome *from = &msg->outcome;
	struct lxe_outcome *to;

	if (!k->cow.settling || c->process != k->main) {
		lxe_channel_refuse(c, "SETTLED, and nothing is to be");
		return;
	}
	to = &k->main->outcome;
	to->settled = from->settled;
	to->added = from->added;
	to->modified = from->modified;
	to->deleted = from->deleted;
	to->conflicts = from->conflicts;
	if (from->error == LXE_EXIT_ERROR) {
		to->error = from->error;
		memcpy(to->message, from->message, sizeof(to->message));
		memcpy(to->hint, from->hint, sizeof(to->hint));
	}
	k->cow.keep = msg->flags & LXE_SETTLED_KEEP;
	k->cow.settling = false;
}
