/* The verbs that do something with a sandbox by its name. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/print.h"
#include "client/again.h"
#include "client/client.h"
#include "client/cow.h"
#include "client/defaults.h"
#include "client/manage.h"

/* Of one sandbox; `status` is what to exit with when all is well. */
typedef int (*act)(struct lxe_cli *cli, const struct lxe_place *place, int *status);

static int find_and(struct lxe_cli *cli, const char *word, act what, int *status)
{
	struct lxe_place place;
	int r = lxe_registry_find(&cli->dirs, word, &place, &cli->err);

	return r < 0 ? r : what(cli, &place, status);
}

/* For each word; one that fails does not keep the others from being served. */
static int for_each(struct lxe_cli *cli, act what, int *status)
{
	int failed = 0, r;

	r = lxe_cli_want_some(cli, "the sandbox's name");
	if (r < 0)
		return r;
	for (int i = 0; i < cli->argc; i++) {
		r = find_and(cli, cli->argv[i], what, status);
		if (r < 0 && cli->argc > 1) {
			*status = lxe_print_error(&cli->err);
			cli->err = (struct lxe_err){ 0 };
			failed++;
		}
	}
	return failed ? 0 : r;
}

static int start_one(struct lxe_cli *cli, const struct lxe_place *place, int *status)
{
	struct lxe_outcome outcome = { .error = LXE_EXIT_ERROR };
	int r = 0;

	if (lxe_client_has_ended(place))
		r = lxe_client_start_again(
			place, &cli->dirs, &cli->req.spec.secrets, &outcome, &cli->err);
	if (r < 0)
		return r;
	outcome = (struct lxe_outcome){ .error = LXE_EXIT_ERROR };
	r = lxe_client_start(place, &outcome, &cli->err);

	if (r < 0 && outcome.error != LXE_EXIT_ERROR) {
		/* 126 and 127 say whose fault it is. */
		lxe_print_error(&cli->err);
		*status = outcome.error;
		return 0;
	}
	return r;
}

static int kill_one(struct lxe_cli *cli, const struct lxe_place *place, int *status)
{
	int signal = cli->req.signal ? cli->req.signal : SIGKILL;
	struct lxe_outcome outcome;

	(void)status;
	if (signal != SIGKILL)
		return lxe_client_signal(place, signal, &cli->err);
	return lxe_client_stop(place, SIGKILL, 0, &outcome, &cli->err);
}

static int stop_one(struct lxe_cli *cli, const struct lxe_place *place, int *status)
{
	struct lxe_outcome outcome;

	(void)status;
	return lxe_client_stop(place, SIGTERM, cli->req.stop_timeout_ms, &outcome, &cli->err);
}

static int destroy_one(struct lxe_cli *cli, const struct lxe_place *place, int *status)
{
	const struct lxe_cow_how tidy = { .act = LXE_COW_TIDY, .out = -EBADF, .conflicts = -EBADF };
	struct lxe_outcome outcome;
	struct lxe_info info = { 0 };
	struct lxe_cow_told told;

	(void)status;
	/* Nobody else will know of it; where it cannot be done, it is no reason not to go on. */
	if (lxe_registry_read(place, &info) == 0 && lxe_mounts_count_cow(&info.spec.mounts))
		lxe_client_cow(place, &cli->dirs, &tidy, &told, NULL);
	lxe_info_release(&info);
	return lxe_client_destroy(place, cli->req.force, &outcome, &cli->err);
}

static int wait_one(struct lxe_cli *cli, const struct lxe_place *place, int *status)
{
	uint64_t ms = cli->req.spec.timeout_ms;
	struct lxe_outcome outcome = { 0 };
	int r;

	r = lxe_client_wait(place, ms && ms < INT_MAX ? (int)ms : -1, &outcome, &cli->err);
	if (r == -ETIMEDOUT) {
		lxe_print_error(&cli->err);
		*status = LXE_EXIT_TIMEOUT;
		return 0;
	}
	if (r == 0) {
		lxe_print_outcome(&outcome, 0, cli->req.spec.verbose);
		*status = lxe_outcome_exit_status(&outcome);
	}
	return r;
}

static int verb(int argc, char **argv, enum lxe_verb which, act what)
{
	struct lxe_cli cli;
	int status = 0;
	int r = lxe_cli_begin(&cli, which, true, argc, argv);

	if (r == 0)
		r = for_each(&cli, what, &status);
	return lxe_cli_end(&cli, r, status);
}

int lxe_cli_start(int argc, char **argv)
{
	return verb(argc, argv, LXE_VERB_START, start_one);
}

int lxe_cli_kill(int argc, char **argv)
{
	return verb(argc, argv, LXE_VERB_KILL, kill_one);
}

int lxe_cli_stop(int argc, char **argv)
{
	return verb(argc, argv, LXE_VERB_STOP, stop_one);
}

int lxe_cli_wait(int argc, char **argv)
{
	return verb(argc, argv, LXE_VERB_WAIT, wait_one);
}

int lxe_cli_destroy(int argc, char **argv)
{
	return verb(argc, argv, LXE_VERB_DESTROY, destroy_one);
}

/* NAME, and the command behind it: the words from *first on. */
static int take_name(struct lxe_cli *cli, int *first)
{
	int r = lxe_cli_want_some(cli, "the sandbox's name");

	if (r < 0)
		return r;
	*first = cli->argc > 1 && strcmp(cli->argv[1], "--") == 0 ? 2 : 1;
	if (*first == 1 && cli->argc > 1 && cli->argv[1][0] == '-') {
		lxe_fail_msg(&cli->err, -EINVAL, "%s: '%s' stands behind the name", cli->info->name,
			cli->argv[1]);
		lxe_hint(&cli->err, "lxc-exec %s %s", cli->info->name, cli->info->usage);
		return -EINVAL;
	}
	return 0;
}

static int create(struct lxe_cli *cli)
{
	struct lxe_spec *spec = &cli->req.spec;
	struct lxe_outcome outcome = { 0 };
	int first, r;
	pid_t pid;

	r = take_name(cli, &first);
	if (r == 0)
		r = lxe_name_validate(cli->argv[0], &cli->err);
	if (r == 0)
		r = lxe_str_set(&spec->name, cli->argv[0]);
	if (r < 0)
		return r;
	spec->keep = true;
	/* The caller may go away: nothing of his is held open, unless he wants so. */
	if (spec->tty == LXE_TTY_AUTO)
		spec->tty = LXE_TTY_ON;
	r = lxe_command_set(cli, cli->argv + first, (size_t)(cli->argc - first));
	if (r == 0)
		r = lxe_defaults_apply(spec, &cli->dirs, &cli->err);
	if (r == 0 && !spec->argv.n)
		r = lxe_command_set_shell(cli);
	if (r == 0)
		r = lxe_command_check(cli);
	if (r < 0)
		return r;
	pid = lxe_client_create(spec, &cli->dirs, &outcome, &cli->err);
	if (pid > 0) {
		lxe_print("%d\n", (int)pid);
		return 0;
	}
	lxe_print_outcome(&outcome, 0, spec->verbose);
	cli->status = lxe_outcome_exit_status(&outcome);
	return 0;
}

int lxe_cli_create(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_CREATE, create, argc, argv);
}

static int exec(struct lxe_cli *cli)
{
	int first, r;

	r = take_name(cli, &first);
	if (r == 0 && first >= cli->argc) {
		lxe_fail_msg(&cli->err, -EINVAL, "exec: the command is missing");
		lxe_hint(&cli->err, "lxc-exec exec %s, or a shell: lxc-exec shell %s",
			cli->info->usage, cli->argv[0]);
		r = -EINVAL;
	}
	if (r == 0)
		r = lxe_command_set(cli, cli->argv + first, (size_t)(cli->argc - first));
	return r < 0 ? r : lxe_command_exec(cli, cli->argv[0], &cli->status);
}

int lxe_cli_exec(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_EXEC, exec, argc, argv);
}
