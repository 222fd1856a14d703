/* Building an image: the keeper's program does it, because the client does not link liblxc. */
#include "client/client.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "client/spawn.h"
#include "proto/msg.h"
#include "sys/proc.h"
#include "sys/socket.h"

static int ask(int control, const struct lxe_dirs *dirs, const char *name, struct lxe_err *err)
{
	struct lxe_msg msg;
	int r;

	lxe_msg_init(&msg, LXE_MSG_BUILD);
	msg.dirs = *dirs;
	r = lxe_format(msg.image, sizeof(msg.image), "%s", name);
	if (r == 0)
		r = lxe_msg_send(control, &msg);
	if (r < 0)
		return lxe_fail(err, r, "ask for image '%s'", name);
	r = lxe_msg_recv(control, &msg);
	if (r <= 0 || msg.type != LXE_MSG_DONE)
		return lxe_fail_msg(err, -EIO, "build image '%s': the keeper died", name);
	if (msg.outcome.cause == LXE_CAUSE_ERROR) {
		r = lxe_fail_msg(err, -EIO, "%s", msg.outcome.message);
		if (msg.outcome.hint[0])
			lxe_hint(err, "%s", msg.outcome.hint);
		return r;
	}
	return 0;
}

int lxe_client_image_build(const struct lxe_dirs *dirs, const char *name, struct lxe_err *err)
{
	LXE_AUTOCLOSE int ours = -EBADF;
	int ends[2], status, r;
	pid_t keeper;

	r = sys_socketpair(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the control socket");
	ours = ends[0];
	keeper = lxe_spawn_keeper(dirs, "build", &ends[1], 1, err);
	lxe_close(ends[1]);
	if (keeper < 0)
		return keeper;
	r = ask(ours, dirs, name, err);
	sys_wait(keeper, &status);
	return r;
}
