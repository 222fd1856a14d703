/*
 * What every verb begins with: its words parsed, its options set, the directories found. The verbs
 * that run something also have their standard files and their privilege checked here.
 */
#ifndef LXE_CLI_CLI_H
#define LXE_CLI_CLI_H

#include "base/err.h"
#include "cli/verbs.h"
#include "policy/args.h"
#include "policy/request.h"
#include "store/dirs.h"

struct lxe_cli {
	int words; /* of the command line after the verb, as given */
	char **word;
	const struct lxe_verb_info *info;
	struct lxe_args args;
	struct lxe_request req;
	struct lxe_dirs dirs;
	int argc; /* the words that are no options */
	char **argv;
	int status; /* what lxe_cli_do() exits with, unless something failed */
	struct lxe_err err;
};

/*
 * Parse the words after argv[0]. 0: go on; 1: --help was printed; -EINVAL or another negative
 * errno: cli->err says why. The defaults, and --profile, are read before the options are set; help
 * needs none. With `runs`, an ordinary user is refused. End with lxe_cli_end() in any case.
 */
int lxe_cli_begin(struct lxe_cli *cli, enum lxe_verb verb, bool runs, int argc, char **argv);

/*
 * Release, print the error if `r` is negative, flush standard output, and return the status to
 * exit with: `status` unless something failed.
 */
int lxe_cli_end(struct lxe_cli *cli, int r, int status);

/* A whole verb that runs something: both of them, and `what` between them if there is anything to do. */
int lxe_cli_do(enum lxe_verb verb, int (*what)(struct lxe_cli *cli), int argc, char **argv);

/* Usage errors of verbs that take no words, or at least one. */
int lxe_cli_want_none(struct lxe_cli *cli);
int lxe_cli_want_some(struct lxe_cli *cli, const char *what);

/* Refuse to talk to a sandbox that has no keeper. */
struct lxe_place;
int lxe_cli_want_owned(struct lxe_cli *cli, const struct lxe_place *place);

#endif
