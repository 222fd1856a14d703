#include <errno.h>

#include "cli/cli.h"
#include "cli/print.h"

static int print_version(enum lxe_output output)
{
	switch (output) {
	case LXE_OUTPUT_TABLE:
		lxe_print("lxc-exec %s\n", LXE_VERSION);
		return 0;
	case LXE_OUTPUT_JSON:
		return lxe_print_json(
			json_pack("{s:s, s:s}", "name", "lxc-exec", "version", LXE_VERSION));
	}
	return -EINVAL;
}

int lxe_cli_version(int argc, char **argv)
{
	struct lxe_cli cli;
	int r;

	r = lxe_cli_begin(&cli, LXE_VERB_VERSION, false, argc, argv);
	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0)
		r = print_version(cli.req.output);
	return lxe_cli_end(&cli, r, 0);
}
