/* attach and logs: coming back to a sandbox's terminal. */
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/stdio.h"
#include "client/attach.h"

static int find_one(struct lxe_cli *cli, struct lxe_place *place)
{
	int r = lxe_cli_want_some(cli, "the sandbox's name");

	if (r == 0 && cli->argc > 1) {
		cli->argv++;
		cli->argc--;
		r = lxe_cli_want_none(cli);
	}
	return r < 0 ? r : lxe_registry_find(&cli->dirs, cli->argv[0], place, &cli->err);
}

static void say_how_it_was_left(const struct lxe_cli *cli, enum lxe_left left)
{
	if (cli->req.spec.verbose < 0 || left == LXE_LEFT_ENDED)
		return;
	lxe_print_note(left == LXE_LEFT_TAKEN ? "somebody else drives '%s' now"
					      : "detached from '%s', which goes on",
		cli->argv[0]);
}

static int attach(struct lxe_cli *cli)
{
	struct lxe_attach how = {
		.take_over = cli->req.take_over,
		.keys = cli->req.detach_keys,
	};
	struct lxe_outcome outcome = { .bytes_out = -1, .teardown_ok = true };
	enum lxe_left left = LXE_LEFT_ENDED;
	struct lxe_place place;
	int r;

	r = lxe_stdio_check(&cli->err);
	if (r == 0)
		r = find_one(cli, &place);
	if (r == 0)
		r = lxe_cli_want_owned(cli, &place);
	if (r < 0)
		return r;
	if (cli->req.read_only)
		r = lxe_client_watch(&place, &how, &left, &outcome, &cli->err);
	else
		r = lxe_client_attach(&cli->dirs, &place, &how, &left, &outcome, &cli->err);
	if (r < 0)
		return r;
	say_how_it_was_left(cli, left);
	if (left == LXE_LEFT_ENDED || outcome.cause == LXE_CAUSE_KILLED) {
		lxe_print_outcome(&outcome, 0, cli->req.spec.verbose);
		cli->status = lxe_outcome_exit_status(&outcome);
	}
	return 0;
}

int lxe_cli_attach(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_ATTACH, attach, argc, argv);
}

static int logs(struct lxe_cli *cli)
{
	struct lxe_place place;
	int r = find_one(cli, &place);

	return r < 0 ? r : lxe_client_logs(&place, cli->req.follow, STDOUT_FILENO, &cli->err);
}

int lxe_cli_logs(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_LOGS, logs, argc, argv);
}
