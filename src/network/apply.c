#include "network/apply.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "network/chains.h"
#include "network/plan.h"
#include "network/restore.h"
#include "network/together.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define TEXT_MAX (256 * 1024 * 1024)
/* For others: whoever leads has a sandbox of his own. One that begins has all of its life before it yet. */
#define LEAD_MS 200
#define LEAD_BEGINNING_MS 50

static const char *const save_names[LXE_VARIANTS][LXE_FAMILIES] = {
	{ "iptables-save", "ip6tables-save" },
	{ "iptables-nft-save", "ip6tables-nft-save" },
	{ "iptables-legacy-save", "ip6tables-legacy-save" },
};

static int restore(
	enum lxe_variant variant, const char *const texts[LXE_FAMILIES], struct lxe_err *err)
{
	struct lxe_restore tools;
	int r;

	lxe_restore_init(&tools, variant);
	lxe_restore_tell(&tools, texts);
	r = lxe_restore_end(&tools);
	if (r < 0)
		r = lxe_restore_fail(&tools, r, err);
	lxe_restore_release(&tools);
	return r;
}

/* What is left of it in one family, as a text that removes that: *ret is NULL when nothing is. */
static int leftover_of(struct lxe_tool *saved, const char *id8, char **ret, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	int r;

	/* Without the program there are no rules of it that could be in force. */
	if (saved->r == -ENOENT)
		return 0;
	if (saved->r < 0)
		return lxe_tool_fail(saved, err, "read the firewall's rules");
	r = lxe_tool_output(saved, &text);
	if (r == 0)
		r = lxe_net_plan_sweep(ret, text, id8, err);
	return r < 0 ? lxe_fail(err, r, "find what is left of the firewall's rules") : 0;
}

static int sweep_variant(enum lxe_variant variant, const char *id8, struct lxe_err *err)
{
	const char *const words[LXE_FAMILIES][2] = {
		{ save_names[variant][0], NULL },
		{ save_names[variant][1], NULL },
	};
	struct lxe_tool saved[LXE_FAMILIES] = {
		{ .argv = words[0] },
		{ .argv = words[1] },
	};
	char *texts[LXE_FAMILIES] = { NULL };
	int r = 0;

	lxe_tools_run(saved, LXE_FAMILIES);
	for (size_t i = 0; r == 0 && i < LXE_FAMILIES; i++)
		r = leftover_of(&saved[i], id8, &texts[i], err);
	lxe_tools_release(saved, LXE_FAMILIES);
	if (r == 0 && (texts[0] || texts[1]))
		r = restore(variant, (const char *const[]){ texts[0], texts[1] }, err);
	free(texts[0]);
	free(texts[1]);
	return r;
}

/* 1, 0, or a negative errno. */
static int is_left(const char *id8)
{
	struct lxe_chains none = { .id = id8 };
	struct lxe_netlink nl = { 0 };
	int r = lxe_chains_are(&nl, &none, 1);

	lxe_netlink_close(&nl);
	return r < 0 ? r : !r;
}

/* Is all of this turn's in force, or gone? */
static bool is_done(struct lxe_netlink *nl, const struct lxe_together *t)
{
	struct lxe_chains chains[LXE_TOGETHER_MAX];
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct lxe_together_member *member = &t->members[i];

		/* Nothing is to be seen of one that only waits for the others. */
		if (!member->merged || (t->kind == LXE_TOGETHER_SET && !member->chains))
			continue;
		chains[n].id = member->id;
		chains[n].wanted = t->kind == LXE_TOGETHER_SET ? member->chains : 0;
		n++;
	}
	return lxe_chains_are(nl, chains, n) == 1;
}

static bool goes_on(const struct lxe_together *t, uint64_t begun_ms)
{
	const uint64_t ms = t->own_kind == LXE_TOGETHER_SET ? LEAD_BEGINNING_MS : LEAD_MS;

	return t->own == LXE_OWN_WAITS || (t->own == LXE_OWN_DONE && sys_now_ms() < begun_ms + ms);
}

/* Are this one's texts done? */
static bool lead(struct lxe_together *t)
{
	uint64_t begun_ms = sys_now_ms();
	struct lxe_netlink nl = { 0 };
	struct lxe_restore tools;
	bool so = true;
	int r;

	lxe_restore_init(&tools, LXE_VARIANT_HOST);
	while (so && goes_on(t, begun_ms) && lxe_together_turn(t)) {
		r = lxe_restore_tell(&tools, (const char *const[]){ t->texts[0], t->texts[1] });
		so = r == 0 && is_done(&nl, t);
		if (so)
			lxe_together_done(t);
	}
	r = lxe_restore_end(&tools);
	lxe_restore_release(&tools);
	/* Not before: it would wait for what was deleted. */
	lxe_netlink_close(&nl);
	/* Those who read everything before they begin are done only now. */
	return t->own == LXE_OWN_DONE ||
	       (t->own == LXE_OWN_TOLD && t->own_kind == LXE_TOGETHER_SET && r == 0);
}

static bool run_together(const char *run, const char *id8, enum lxe_together_kind kind,
	const char *const texts[LXE_FAMILIES], int later)
{
	struct lxe_together t;
	int r = lxe_together_begin(&t, run, id8, kind, texts, later);
	bool done = r == 1 || (r == 0 && lead(&t));

	lxe_together_end(&t);
	return done;
}

int lxe_net_apply(
	const char *run, const char *id8, const char *v4, const char *v6, struct lxe_err *err)
{
	const char *const texts[LXE_FAMILIES] = { v4, v6 };

	/* What fails with others' texts fails alone again, and then says why. */
	return run_together(run, id8, LXE_TOGETHER_SET, texts, -EBADF)
		       ? 0
		       : restore(LXE_VARIANT_HOST, texts, err);
}

/* What its texts do not remove is looked for, by whichever variant it was made. */
static int sweep(const char *id8, int left, struct lxe_err *err)
{
	struct lxe_err first = { 0 };

	for (enum lxe_variant i = 0; left != 0 && i < LXE_VARIANTS; i++) {
		first = (struct lxe_err){ 0 };
		sweep_variant(i, id8, &first);
		left = is_left(id8);
	}
	if (left == 0)
		return 0;
	if (first.code == 0)
		lxe_fail_msg(&first, -EBUSY, "rules with the name LXE-%s are still there", id8);
	if (err)
		*err = first;
	return left < 0 ? left : first.code;
}

static int withdraw(const char *run, const char *id8, const char *const texts[LXE_FAMILIES],
	int log, struct lxe_err *err)
{
	int r;

	if (!texts[0]) {
		lxe_close(log);
		r = lxe_together_forget(run, id8);
		if (r < 0)
			return lxe_fail(err, r, "wait for those who set the firewall's rules");
		return sweep(id8, is_left(id8), err);
	}
	if (run_together(run, id8, LXE_TOGETHER_UNDO, texts, log))
		return 0;
	/* Others' texts may have made it fail. */
	return sweep(id8, restore(LXE_VARIANT_HOST, texts, NULL) < 0 ? 1 : is_left(id8), err);
}

int lxe_net_withdraw(const char *run, const char *id8, const struct lxe_net_applied *applied,
	struct lxe_err *err)
{
	LXE_AUTOFREE char *v4 = NULL, *v6 = NULL;
	size_t len;

	/* One that cannot be read is as good as none. */
	if (applied->undo_v4 >= 0 && sys_read_whole(applied->undo_v4, TEXT_MAX, &v4, &len) == 0 &&
		applied->undo_v6 >= 0 && sys_read_whole(applied->undo_v6, TEXT_MAX, &v6, &len) < 0)
		free(take_ptr(v4));
	return withdraw(run, id8, (const char *const[]){ v4, v6 }, applied->log, err);
}
