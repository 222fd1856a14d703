#include "cli/cli.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/help.h"
#include "cli/print.h"
#include "client/client.h"
#include "policy/profile.h"

static int load_profiles(struct lxe_cli *cli, bool runs)
{
	const char *profile = NULL;
	int r = lxe_profile_load_defaults(&cli->req, &cli->dirs, &cli->err);

	/* doctor and version work for everybody: who may not read the defaults has none. */
	if (r == -EACCES && !runs && geteuid() != 0) {
		cli->err = (struct lxe_err){ 0 };
		return 0;
	}
	if (r == 0 && lxe_args_have(&cli->args, "profile", &profile))
		r = lxe_profile_load(&cli->req, &cli->dirs, profile, &cli->err);
	return r;
}

static int check_format(struct lxe_cli *cli)
{
	if (!cli->req.prometheus || cli->info->verb == LXE_VERB_STATS)
		return 0;
	lxe_fail_msg(&cli->err, -EINVAL, "--format 'prometheus' is neither table nor json");
	lxe_hint(&cli->err, "prometheus is a form of: lxc-exec stats");
	return -EINVAL;
}

int lxe_cli_begin(struct lxe_cli *cli, enum lxe_verb verb, bool runs, int argc, char **argv)
{
	int r;

	*cli = (struct lxe_cli){ .info = lxe_verb_info(verb), .words = argc - 1, .word = argv + 1 };
	lxe_request_init(&cli->req);
	r = lxe_args_parse(&cli->args, verb, cli->info->name, argc - 1, argv + 1, &cli->err);
	if (r < 0)
		return r;
	if (lxe_args_have(&cli->args, "help", NULL)) {
		lxe_help_verb(cli->info);
		return 1;
	}
	cli->argc = argc - 1 - cli->args.rest;
	cli->argv = argv + 1 + cli->args.rest;
	r = lxe_dirs_find(&cli->dirs, &cli->err);
	if (r == 0 && verb != LXE_VERB_HELP)
		r = load_profiles(cli, runs);
	if (r == 0)
		r = lxe_args_apply(&cli->args, &cli->req, &cli->err);
	if (r == 0)
		r = check_format(cli);
	return r;
}

static void explain(struct lxe_cli *cli, int r)
{
	/* Nothing but memory runs out without a word. */
	if (!cli->err.msg[0])
		lxe_fail(&cli->err, r, "%s", cli->info->name);
}

/*
 * Where the record is wanted. A command line that could not be parsed to its end may have said so
 * behind the mistake: there the words themselves are looked at. A profile may have said so, too.
 */
static const char *result_of(const struct lxe_cli *cli)
{
	const char *where = NULL;

	if (lxe_args_have(&cli->args, "result", &where))
		return where;
	for (int i = 0; i < cli->words && strcmp(cli->word[i], "--") != 0; i++) {
		if (lxe_starts_with(cli->word[i], "--result="))
			return cli->word[i] + strlen("--result=");
		if (strcmp(cli->word[i], "--result") == 0 && i + 1 < cli->words)
			return cli->word[i + 1];
	}
	return lxe_option_find("result", strlen("result"), cli->info->verb) ? cli->req.spec.result
									    : NULL;
}

/* Whoever asked for a record gets one, also of what did not even begin. */
static void record_failure(const struct lxe_cli *cli)
{
	struct lxe_outcome o = { .cause = LXE_CAUSE_ERROR, .bytes_out = -1, .teardown_ok = true };
	const char *where = result_of(cli);
	int fd;

	if (!where)
		return;
	fd = lxe_client_open_result(where, NULL);
	if (fd < 0)
		return;
	lxe_outcome_take_err(&o, &cli->err);
	lxe_outcome_write(&o, fd, NULL);
	lxe_close(fd);
}

int lxe_cli_end(struct lxe_cli *cli, int r, int status)
{
	if (r < 0) {
		explain(cli, r);
		record_failure(cli);
		status = lxe_print_error(&cli->err);
	}
	lxe_args_release(&cli->args);
	lxe_request_release(&cli->req);
	return lxe_print_end(status);
}

int lxe_cli_do(enum lxe_verb verb, int (*what)(struct lxe_cli *cli), int argc, char **argv)
{
	struct lxe_cli cli;
	int r = lxe_cli_begin(&cli, verb, true, argc, argv);

	if (r == 0)
		r = what(&cli);
	return lxe_cli_end(&cli, r, cli.status);
}

int lxe_cli_want_none(struct lxe_cli *cli)
{
	if (cli->argc == 0)
		return 0;
	lxe_fail_msg(&cli->err, -EINVAL, "%s: unexpected word '%s'", cli->info->name, cli->argv[0]);
	lxe_hint(&cli->err, "lxc-exec %s --help", cli->info->name);
	return -EINVAL;
}

int lxe_cli_want_some(struct lxe_cli *cli, const char *what)
{
	if (cli->argc > 0)
		return 0;
	lxe_fail_msg(&cli->err, -EINVAL, "%s: %s is missing", cli->info->name, what);
	lxe_hint(&cli->err, "lxc-exec %s %s", cli->info->name, cli->info->usage);
	return -EINVAL;
}

int lxe_cli_want_owned(struct lxe_cli *cli, const struct lxe_place *place)
{
	struct lxe_info info = { 0 };
	int r = lxe_registry_read(place, &info);

	if (r < 0)
		return lxe_fail(&cli->err, r, "open sandbox '%s'", place->id);
	if (!info.owned) {
		r = lxe_fail_msg(&cli->err, -EBUSY, "%s: sandbox '%s' is %s", cli->info->name,
			lxe_info_name(&info), info.state);
		lxe_hint(&cli->err, "lxc-exec ps shows what runs");
	}
	lxe_info_release(&info);
	return r;
}
