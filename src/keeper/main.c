/*
 * lxc-exec-keeper: started by a client, never by hand. Descriptor 3 is the control socket; the only
 * argument is "build", or room for the id of the sandbox that the client is about to hand over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "keeper/delegation.h"
#include "keeper/keeper.h"
#include "store/rootless.h"
#include "sys/fd.h"

enum { CONTROL = 3 };

/* Why it failed is the client's to hear. */
static void begin(char **argv, bool builds, struct lxe_err *err)
{
	struct lxe_scope scope;

	if (!lxe_is_rootless())
		return;
	if (lxe_rootless_is_inside()) {
		lxe_rootless_settle(err);
		return;
	}
	if (!builds)
		lxe_scope_ask(&scope);
	lxe_rootless_enter(err);
	if (!builds)
		lxe_scope_await(&scope);
	if (!err->code)
		lxe_rootless_again(argv, err);
}

int main(int argc, char **argv)
{
	bool builds = argc == 2 && strcmp(argv[1], "build") == 0;
	struct lxe_err err = { 0 };

	if (argc != 2 || (!builds && strlen(argv[1]) != LXE_ID_LEN)) {
		fprintf(stderr, "lxc-exec-keeper: this is started by lxc-exec\n");
		return 125;
	}
	if (sys_close_from(CONTROL + 1, NULL, 0) < 0)
		return 125;
	begin(argv, builds, &err);
	if (sys_set_cloexec(CONTROL, true) < 0)
		return 125;
	if (builds)
		return lxe_keeper_build(CONTROL, &err) < 0 ? 125 : 0;
	return lxe_keeper_run(CONTROL, argv[1], &err) < 0 ? 125 : 0;
}
