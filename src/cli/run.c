#include <errno.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "client/defaults.h"

static int run_command(struct lxe_cli *cli)
{
	int r = lxe_command_set(cli, cli->argv, (size_t)cli->argc);

	/* An image may have a command of its own. */
	if (r == 0)
		r = lxe_defaults_apply(&cli->req.spec, &cli->dirs, &cli->err);
	if (r == 0 && !cli->req.spec.argv.n)
		r = lxe_cli_want_some(cli, "the command");
	return r < 0 ? r : lxe_command_run(cli, &cli->status);
}

static int run_shell(struct lxe_cli *cli)
{
	const char *name = cli->argc == 1 ? cli->argv[0] : NULL;
	int r = name ? 0 : lxe_cli_want_none(cli);

	if (r == 0)
		r = lxe_command_set_shell(cli);
	if (r == 0 && !name)
		r = lxe_defaults_apply(&cli->req.spec, &cli->dirs, &cli->err);
	if (r < 0)
		return r;
	return name ? lxe_command_exec(cli, name, &cli->status)
		    : lxe_command_run(cli, &cli->status);
}

int lxe_cli_run(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_RUN, run_command, argc, argv);
}

int lxe_cli_shell(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_SHELL, run_shell, argc, argv);
}

/* lxc-exec [OPTIONS] WORD: a verb comes first, and a command wants a "--" before it. */
static int refuse_word(struct lxe_cli *cli)
{
	struct lxe_err unused = { 0 };
	const char *word = cli->argv[0];
	int words;

	if (lxe_verb_find(cli->argc, cli->argv, &words, &unused)) {
		lxe_fail_msg(&cli->err, -EINVAL, "the verb '%s' stands after an option", word);
		lxe_hint(&cli->err, "lxc-exec %s [OPTIONS]", word);
	} else {
		lxe_fail_msg(&cli->err, -EINVAL, "the command '%s' has no '--' before it", word);
		lxe_hint(&cli->err, "lxc-exec [OPTIONS] -- %s", word);
	}
	return -EINVAL;
}

static int run_bare(struct lxe_cli *cli)
{
	if (cli->args.dashes)
		return run_command(cli);
	return cli->argc > 0 ? refuse_word(cli) : run_shell(cli);
}

int lxe_cli_bare(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_RUN, run_bare, argc, argv);
}
