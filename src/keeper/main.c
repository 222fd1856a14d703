/*
 * lxc-exec-keeper: started by a client, never by hand. Descriptor 3 is the control socket; with a
 * sandbox's id as argument, 4 is the directory of all sandboxes and 5 the locked one of this sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "keeper/keeper.h"
#include "sys/fd.h"

enum { CONTROL = 3, PARENT = 4, DIRECTORY = 5 };

static int keep_only(int last)
{
	for (int fd = CONTROL; fd <= last; fd++)
		if (sys_set_cloexec(fd, true) < 0)
			return -EBADF;
	return sys_close_from(last + 1, NULL, 0);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "lxc-exec-keeper: this is started by lxc-exec\n");
		return 125;
	}
	if (strcmp(argv[1], "build") == 0) {
		if (keep_only(CONTROL) < 0)
			return 125;
		return lxe_keeper_build(CONTROL) < 0 ? 125 : 0;
	}
	if (keep_only(DIRECTORY) < 0)
		return 125;
	return lxe_keeper_run(CONTROL, PARENT, DIRECTORY, argv[1]) < 0 ? 125 : 0;
}
