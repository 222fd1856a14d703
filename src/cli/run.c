#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/stdio.h"
#include "client/client.h"
#include "store/outcome.h"

static int set_command(struct lxe_cli *cli, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lxe_strv_add(&cli->req.spec.argv, words[i]) < 0)
			return lxe_fail(&cli->err, -ENOMEM, "read the command");
	return 0;
}

static int check(struct lxe_cli *cli)
{
	int r = lxe_stdio_check(&cli->err);

	if (r == 0)
		r = lxe_stdio_check_result(cli->req.spec.result, &cli->err);
	if (r == 0)
		r = lxe_stdio_set_term(&cli->req.spec, &cli->err);
	return r;
}

/* 0 with *status to exit with, or a negative errno with the error in cli->err. */
static int run(struct lxe_cli *cli, int *status)
{
	struct lxe_outcome outcome = { 0 };
	int r = check(cli);

	if (r < 0)
		return r;
	/* A failure of the client is in the outcome as well. */
	lxe_client_run(&cli->req.spec, &cli->dirs, &outcome, &cli->err);
	lxe_print_outcome(&outcome, cli->req.spec.timeout_ms, cli->req.spec.verbose);
	*status = lxe_outcome_exit_status(&outcome);
	return 0;
}

static int run_command(struct lxe_cli *cli, int *status)
{
	int r = lxe_cli_want_some(cli, "the command");

	if (r == 0)
		r = set_command(cli, cli->argv, (size_t)cli->argc);
	return r < 0 ? r : run(cli, status);
}

/* With a terminal a login shell, bash where there is one; otherwise a script on standard input. */
static int run_shell(struct lxe_cli *cli, int *status)
{
	static char *const interactive[] = {
		"/bin/sh",
		"-c",
		"[ -x /bin/bash ] && exec /bin/bash -l; exec /bin/sh -l",
	};
	static char *const script[] = { "/bin/sh", "-s" };
	struct lxe_spec *spec = &cli->req.spec;
	int r = lxe_cli_want_none(cli);

	if (r < 0)
		return r;
	if (spec->tty == LXE_TTY_AUTO && isatty(STDIN_FILENO))
		spec->tty = LXE_TTY_ON;
	if (spec->tty == LXE_TTY_ON)
		r = set_command(cli, interactive, sizeof(interactive) / sizeof(interactive[0]));
	else
		r = set_command(cli, script, sizeof(script) / sizeof(script[0]));
	return r < 0 ? r : run(cli, status);
}

int lxe_cli_run(int argc, char **argv)
{
	struct lxe_cli cli;
	int status = 0;
	int r = lxe_cli_begin(&cli, LXE_VERB_RUN, true, argc, argv);

	if (r == 0)
		r = run_command(&cli, &status);
	return lxe_cli_end(&cli, r, status);
}

int lxe_cli_shell(int argc, char **argv)
{
	struct lxe_cli cli;
	int status = 0;
	int r = lxe_cli_begin(&cli, LXE_VERB_SHELL, true, argc, argv);

	if (r == 0)
		r = run_shell(&cli, &status);
	return lxe_cli_end(&cli, r, status);
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

int lxe_cli_bare(int argc, char **argv)
{
	struct lxe_cli cli;
	int status = 0;
	int r = lxe_cli_begin(&cli, LXE_VERB_RUN, true, argc, argv);

	if (r == 0 && cli.args.dashes)
		r = run_command(&cli, &status);
	else if (r == 0 && cli.argc > 0)
		r = refuse_word(&cli);
	else if (r == 0)
		r = run_shell(&cli, &status);
	return lxe_cli_end(&cli, r, status);
}
