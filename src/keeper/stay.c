/* What the keeper stays for when everything has ended. See keeper.h. */
#include "keeper/keeper.h"

#define WATCHER_MS 2000 /* for one that is behind, to hear the rest */

static bool is_let_go(const struct lxe_keeper *k)
{
	const struct lxe_process *p = k->processes;

	for (const struct lxe_channel *c = k->channels; c; c = c->next)
		if (c->attach && !c->bye && c->attach->fds[LXE_FD_TTY] >= 0)
			return false;

	while (p && (!p->client || p->bye || p->request.fds[LXE_FD_TTY] < 0))
		p = p->next;
	return !p;
}

/*
 * A client restores its terminal itself and says so. One that is killed before that, however late,
 * leaves it to us: so the keeper of a terminal stays until it has heard, or the client is gone.
 */
static void await_byes(struct lxe_keeper *k)
{
	while (!is_let_go(k))
		if (lxe_loop_turn(k->loop, -1) < 0)
			break;
}

static bool all_have_seen(const struct lxe_keeper *k)
{
	for (const struct lxe_channel *c = k->channels; c; c = c->next)
		if (c->watches && c->behind)
			return false;
	return true;
}

void lxe_keeper_dismiss(struct lxe_keeper *k)
{
	/* Whoever reads from its caller's files waits for their last holder. */
	lxe_output_release(k->main);
	lxe_msg_release(&k->main->request);
	if (!is_let_go(k) || !all_have_seen(k))
		lxe_channel_say(k->main->client, LXE_MSG_BYE);
}

void lxe_keeper_stay(struct lxe_keeper *k)
{
	lxe_keeper_wait_until(k, all_have_seen, WATCHER_MS);
	await_byes(k);
}
