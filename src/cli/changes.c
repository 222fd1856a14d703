/* The verbs about what was written in copy-on-write binds. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "client/cow.h"

/* NAME [PATH...] */
static int take_words(struct lxe_cli *cli, struct lxe_place *place, struct lxe_cow_how *how)
{
	int r = lxe_cli_want_some(cli, "the sandbox's name");

	if (r == 0)
		r = lxe_registry_find(&cli->dirs, cli->argv[0], place, &cli->err);
	if (r < 0)
		return r;
	how->paths = (const char *const *)cli->argv + 1;
	how->n_paths = (size_t)cli->argc - 1;
	return 0;
}

static int diff(struct lxe_cli *cli)
{
	bool json = cli->req.output == LXE_OUTPUT_JSON;
	struct lxe_cow_how how = {
		.act = LXE_COW_DIFF,
		.form = json		 ? LXE_COW_JSON
			: cli->req.patch ? LXE_COW_PATCH
					 : LXE_COW_TEXT,
		.out = STDOUT_FILENO,
		.conflicts = -EBADF,
	};
	struct lxe_cow_told told;
	struct lxe_place place;
	int r = take_words(cli, &place, &how);

	if (r == 0 && json && cli->req.patch) {
		lxe_hint(&cli->err, "--patch is a form of its own");
		r = lxe_fail_msg(&cli->err, -EINVAL, "diff: --patch and --format json");
	}
	return r < 0 ? r : lxe_client_cow(&place, &cli->dirs, &how, &told, &cli->err);
}

int lxe_cli_diff(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_DIFF, diff, argc, argv);
}

static int commit(struct lxe_cli *cli)
{
	struct lxe_cow_how how = {
		.act = LXE_COW_COMMIT,
		.dry = cli->req.dry_run,
		.out = cli->req.spec.verbose < 0 ? -EBADF : STDOUT_FILENO,
		.conflicts = STDERR_FILENO,
	};
	struct lxe_cow_told told;
	struct lxe_place place;
	int r = take_words(cli, &place, &how);

	return r < 0 ? r : lxe_client_cow(&place, &cli->dirs, &how, &told, &cli->err);
}

int lxe_cli_commit(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_COMMIT, commit, argc, argv);
}

static int discard_one(struct lxe_cli *cli, const char *word)
{
	const struct lxe_cow_how how = {
		.act = LXE_COW_DISCARD, .out = -EBADF, .conflicts = -EBADF
	};
	struct lxe_cow_told told = { 0 };
	struct lxe_place place;
	int r = lxe_registry_find(&cli->dirs, word, &place, &cli->err);

	if (r == 0)
		r = lxe_client_cow(&place, &cli->dirs, &how, &told, &cli->err);
	return r;
}

static int discard(struct lxe_cli *cli)
{
	int r = lxe_cli_want_some(cli, "the sandbox's name");

	/* One that fails does not keep the others from being served. */
	for (int i = 0; r == 0 && i < cli->argc; i++)
		if (discard_one(cli, cli->argv[i]) < 0) {
			cli->status = lxe_print_error(&cli->err);
			cli->err = (struct lxe_err){ 0 };
		}
	return r;
}

int lxe_cli_discard(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_DISCARD, discard, argc, argv);
}
