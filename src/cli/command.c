#include "cli/command.h"

#include <errno.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/print.h"
#include "cli/stdio.h"
#include "client/client.h"
#include "store/outcome.h"

int lxe_command_set(struct lxe_cli *cli, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lxe_strv_add(&cli->req.spec.argv, words[i]) < 0)
			return lxe_fail(&cli->err, -ENOMEM, "read the command");
	return 0;
}

int lxe_command_check(struct lxe_cli *cli)
{
	int r = lxe_spec_settle(&cli->req.spec, &cli->err);

	if (r == 0)
		r = lxe_stdio_check(&cli->err);

	if (r == 0)
		r = lxe_stdio_check_writable("--result", cli->req.spec.result, &cli->err);
	if (r == 0)
		r = lxe_stdio_check_writable("--spill", cli->req.spec.spill, &cli->err);
	if (r == 0)
		r = lxe_stdio_check_writable("--learn", cli->req.spec.learn, &cli->err);
	if (r == 0)
		r = lxe_stdio_set_term(&cli->req.spec, &cli->err);
	return r;
}

/* 0 with *status to exit with, or a negative errno with the error in cli->err. */
int lxe_command_run(struct lxe_cli *cli, int *status)
{
	struct lxe_outcome outcome = { 0 };
	int r = lxe_command_check(cli);

	if (r < 0)
		return r;
	/* A failure of the client is in the outcome as well. */
	lxe_client_run(&cli->req.spec, &cli->dirs, &outcome, &cli->err);
	lxe_print_outcome(&outcome, cli->req.spec.timeout_ms, cli->req.spec.verbose);
	*status = lxe_outcome_exit_status(&outcome);
	return 0;
}

/* With a terminal a login shell, bash where there is one; otherwise a script on standard input. */
int lxe_command_set_shell(struct lxe_cli *cli)
{
	static char *const interactive[] = {
		"/bin/sh",
		"-c",
		"[ -x /bin/bash ] && exec /bin/bash -l; exec /bin/sh -l",
	};
	static char *const script[] = { "/bin/sh", "-s" };
	struct lxe_spec *spec = &cli->req.spec;
	int r;

	if (spec->tty == LXE_TTY_AUTO && isatty(STDIN_FILENO))
		spec->tty = LXE_TTY_ON;
	if (spec->tty == LXE_TTY_ON)
		r = lxe_command_set(cli, interactive, sizeof(interactive) / sizeof(interactive[0]));
	else
		r = lxe_command_set(cli, script, sizeof(script) / sizeof(script[0]));
	return r;
}

int lxe_command_exec(struct lxe_cli *cli, const char *name, int *status)
{
	struct lxe_outcome outcome = { 0 };
	struct lxe_place place;
	int r;

	r = lxe_command_check(cli);
	if (r == 0)
		r = lxe_registry_find(&cli->dirs, name, &place, &cli->err);
	if (r == 0)
		r = lxe_cli_want_owned(cli, &place);
	if (r < 0)
		return r;
	/* A failure of the client is in the outcome as well. */
	lxe_client_exec(&cli->req.spec, &cli->dirs, &place, &outcome, &cli->err);
	lxe_print_outcome(&outcome, cli->req.spec.timeout_ms, cli->req.spec.verbose);
	*status = lxe_outcome_exit_status(&outcome);
	return 0;
}
