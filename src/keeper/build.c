/* Images: built for a run that lacks one, and on request. See keeper.h. */
#include "container/build.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"

static int wait_for_build(void *keeper, int fd, int timeout_ms)
{
	return lxe_keeper_wait(keeper, fd, timeout_ms);
}

int lxe_keeper_make_image(struct lxe_keeper *k, const char *name, bool replace, struct lxe_err *err)
{
	const struct lxe_waiter waiter = { .wait = wait_for_build, .arg = k };

	return lxe_image_build(&k->main->request.dirs, name, replace, &waiter, err);
}

static void answer_build(struct lxe_keeper *k, int r, const struct lxe_err *err)
{
	struct lxe_outcome *o = &k->outcome;

	o->teardown_ok = true;
	o->has_status = r == 0;
	o->cause = r == 0 ? LXE_CAUSE_EXIT : k->stopping ? LXE_CAUSE_KILLED : LXE_CAUSE_ERROR;
	o->signal = k->stop_signal;
	lxe_outcome_take_err(o, err);
	lxe_keeper_send_done(k);
}

int lxe_keeper_build(int control, const struct lxe_err *early)
{
	struct lxe_keeper k = { .outcome = { .bytes_out = -1 } };
	struct lxe_err err = *early;
	int r;

	r = lxe_keeper_set_up(&k, control, &err);
	if (r == 0)
		r = early->code;
	if (r == 0)
		r = lxe_keeper_await_request(&k, LXE_MSG_BUILD, &err);
	if (r == 0)
		r = lxe_keeper_make_image(&k, k.main->request.image, true, &err);
	answer_build(&k, r, &err);
	lxe_keeper_clean_up(&k);
	return r;
}
