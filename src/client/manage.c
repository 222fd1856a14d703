#include "client/manage.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/join.h"
#include "keeper/teardown.h"
#include "store/sandbox.h"

#define CLAIM_MS 2000 /* a keeper that has answered is about to let go of its lock */

int lxe_client_wrong_state(const struct lxe_info *info, const char *verb, struct lxe_err *err)
{
	bool restarted = strcmp(info->why, LXE_RESTARTED) == 0;

	lxe_fail_msg(err, -EBUSY, "%s: sandbox '%s' is %s%s", verb, lxe_info_name(info),
		info->state, restarted ? ": " LXE_RESTARTED : "");
	if (strcmp(info->state, "crashed") == 0)
		lxe_hint(err, "lxc-exec gc ends what is left of it");
	else if (strcmp(info->state, "deferred") == 0)
		lxe_hint(err, "lxc-exec gc tries again; left behind: %s", info->why);
	return -EBUSY;
}

/* What a refusal says, as our own failure. */
static int refused(const struct lxe_outcome *o, struct lxe_err *err)
{
	return lxe_outcome_fail(o, -EBUSY, err);
}

/* One that nobody owns cannot be talked to. */
static int look(const struct lxe_place *place, const char *verb, struct lxe_err *err)
{
	struct lxe_info info = { 0 };
	int r = lxe_registry_read(place, &info);

	if (r < 0)
		lxe_fail(err, r, "%s: open sandbox '%s'", verb, place->id);
	else if (!info.owned)
		r = lxe_client_wrong_state(&info, verb, err);
	lxe_info_release(&info);
	return r;
}

static int ask(const struct lxe_place *place, const char *verb, const struct lxe_msg *msg,
	struct lxe_msg *answer, struct lxe_err *err)
{
	int r = look(place, verb, err);

	lxe_msg_init(answer, 0);
	return r < 0 ? r : lxe_ask(place, msg, LXE_ANSWER_MS, answer, err);
}

int lxe_client_start(
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_msg msg, answer;
	int r;

	lxe_msg_init(&msg, LXE_MSG_START);
	r = ask(place, "start", &msg, &answer, err);
	if (r == 0 && answer.type == LXE_MSG_DONE) {
		*outcome = answer.outcome;
		r = refused(&answer.outcome, err);
	}
	lxe_msg_release(&answer);
	return r;
}

int lxe_client_signal(const struct lxe_place *place, int signal, struct lxe_err *err)
{
	struct lxe_msg msg, answer;
	int r;

	lxe_msg_init(&msg, LXE_MSG_SIGNAL);
	msg.signal = signal;
	r = ask(place, "kill", &msg, &answer, err);
	if (r == 0 && answer.type == LXE_MSG_DONE)
		r = refused(&answer.outcome, err);
	lxe_msg_release(&answer);
	return r;
}

/* What could not be removed makes it a failure of ours. */
static int left_behind(const struct lxe_place *place, const char *verb,
	const struct lxe_outcome *outcome, struct lxe_err *err)
{
	if (outcome->teardown_ok)
		return 0;
	lxe_hint(err, "lxc-exec gc tries again");
	return lxe_fail_msg(err, -EBUSY, "%s sandbox '%s': %s", verb, place->id, outcome->residue);
}

int lxe_client_stop(const struct lxe_place *place, int signal, uint64_t grace_ms,
	struct lxe_outcome *outcome, struct lxe_err *err)
{
	bool long_grace = grace_ms >= INT_MAX - LXE_ANSWER_MS;
	int patience = long_grace ? -1 : LXE_ANSWER_MS + (int)grace_ms;
	struct lxe_msg msg, answer;
	int r;

	lxe_msg_init(&msg, LXE_MSG_STOP);
	msg.signal = signal;
	msg.grace_ms = grace_ms;
	lxe_msg_init(&answer, 0);
	r = look(place, "stop", err);
	if (r == 0)
		r = lxe_ask_for_end(place, &msg, patience, &answer, err);
	if (r == 0) {
		*outcome = answer.outcome;
		r = left_behind(place, "stop", outcome, err);
	}
	lxe_msg_release(&answer);
	return r;
}

static int wait_for_keeper(const struct lxe_place *place, int timeout_ms,
	struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_msg msg, answer;
	int r;

	lxe_msg_init(&msg, LXE_MSG_WAIT);
	r = lxe_ask_for_end(place, &msg, timeout_ms, &answer, err);
	if (r == 0)
		*outcome = answer.outcome;
	lxe_msg_release(&answer);
	return r;
}

int lxe_client_wait(const struct lxe_place *place, int timeout_ms, struct lxe_outcome *outcome,
	struct lxe_err *err)
{
	struct lxe_sandbox sandbox = LXE_SANDBOX_NONE;
	struct lxe_err heard = { 0 };
	struct lxe_info info = { 0 };
	int r;

	r = lxe_registry_read(place, &info);
	if (r == 0 && info.owned) {
		lxe_info_release(&info);
		r = wait_for_keeper(place, timeout_ms, outcome, &heard);
		if (r == 0)
			return 0;
		if (r == -ETIMEDOUT) {
			*err = heard;
			return r;
		}
		/* Its keeper ends, or has ended: once it has let go, what it has left behind says how. */
		if (lxe_sandbox_claim(&sandbox, place->base, place->id, CLAIM_MS, NULL) == 0)
			lxe_sandbox_release(&sandbox);
		r = lxe_registry_read(place, &info);
	}
	if (r < 0)
		return lxe_fail(err, r, "wait: open sandbox '%s'", place->id);
	if (info.has_outcome && !info.owned)
		*outcome = info.outcome;
	else
		r = lxe_client_wrong_state(&info, "wait", err);
	lxe_info_release(&info);
	return r;
}

/* Nobody owns it: all of it is ours to remove. */
static int remove_unowned(
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_sandbox sandbox = LXE_SANDBOX_NONE;
	struct lxe_teardown t = {
		.sandbox = &sandbox,
		.outcome = outcome,
		.run = place->run,
		.result = -EBADF,
		.leave_children = true,
	};
	int r;

	r = lxe_sandbox_claim(&sandbox, place->base, place->id, CLAIM_MS, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = lxe_teardown(&t);
	lxe_sandbox_release(&sandbox);
	if (r < 0) {
		lxe_fail_msg(err, r, "destroy sandbox '%s': %s", place->id, outcome->residue);
		lxe_hint(err, "lxc-exec gc tries again");
	}
	return r;
}

static int destroy_owned(
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_msg msg, answer;
	int r;

	lxe_msg_init(&msg, LXE_MSG_STOP);
	msg.signal = SIGKILL;
	msg.flags = LXE_STOP_DESTROY;
	r = lxe_ask_for_end(place, &msg, LXE_ANSWER_MS, &answer, err);
	if (r == 0) {
		*outcome = answer.outcome;
		r = left_behind(place, "destroy", outcome, err);
	}
	lxe_msg_release(&answer);
	return r;
}

int lxe_client_destroy(
	const struct lxe_place *place, bool force, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_err heard = { 0 };
	struct lxe_info info = { 0 };
	bool owned;
	int r;

	r = lxe_registry_read(place, &info);
	if (r < 0)
		return lxe_fail(err, r, "destroy: open sandbox '%s'", place->id);
	owned = info.owned;
	if (owned && !force && strcmp(info.state, "created") != 0) {
		r = lxe_client_wrong_state(&info, "destroy", err);
		lxe_hint(err, "lxc-exec stop %s first, or destroy --force", lxe_info_name(&info));
	}
	lxe_info_release(&info);
	if (r < 0)
		return r;
	*outcome = (struct lxe_outcome){ .bytes_out = -1, .teardown_ok = true };
	if (owned) {
		r = destroy_owned(place, outcome, &heard);
		if (r == 0)
			return 0;
		/* It was ending when we looked: what it has left is ours. */
		if (r != -ENOENT && r != -ECONNREFUSED && r != -ECONNRESET) {
			*err = heard;
			return r;
		}
	}
	return remove_unowned(place, outcome, err);
}
