/*
 * The verbs: one table for dispatch, --help and the manual page, and what each verb's file exports.
 * A verb's function gets the verb as argv[0] and its words after it, prints, and returns the exit
 * status; it never exits.
 */
#ifndef LXE_CLI_VERBS_H
#define LXE_CLI_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/options.h"

#define LXE_VERB_EXAMPLES 4

struct lxe_verb_info {
	const char *name; /* "run"; "image ls" is two words of the command line */
	enum lxe_verb verb;
	const char *usage; /* what follows the name */
	const char *summary;
	const char *text; /* paragraphs for --help and the manual */
	struct {
		const char *command, *what;
	} examples[LXE_VERB_EXAMPLES]; /* ends early with a NULL command */
	int (*main)(int argc, char **argv);
};

/* The table; it ends with an entry whose name is NULL. */
const struct lxe_verb_info *lxe_verbs(void);

const struct lxe_verb_info *lxe_verb_info(enum lxe_verb verb);

/*
 * The verb that the words begin with, and how many words its name takes. NULL when there is none,
 * with *err describing that.
 */
const struct lxe_verb_info *lxe_verb_find(int argc, char **argv, int *words, struct lxe_err *err);

int lxe_cli_run(int argc, char **argv);
int lxe_cli_shell(int argc, char **argv);
int lxe_cli_bare(int argc, char **argv); /* no verb: options, and a command after "--" */
int lxe_cli_create(int argc, char **argv);
int lxe_cli_start(int argc, char **argv);
int lxe_cli_exec(int argc, char **argv);
int lxe_cli_wait(int argc, char **argv);
int lxe_cli_kill(int argc, char **argv);
int lxe_cli_stop(int argc, char **argv);
int lxe_cli_destroy(int argc, char **argv);
int lxe_cli_attach(int argc, char **argv);
int lxe_cli_logs(int argc, char **argv);
int lxe_cli_snapshot(int argc, char **argv);
int lxe_cli_restore(int argc, char **argv);
int lxe_cli_fork(int argc, char **argv);
int lxe_cli_diff(int argc, char **argv);
int lxe_cli_commit(int argc, char **argv);
int lxe_cli_discard(int argc, char **argv);
int lxe_cli_ps(int argc, char **argv);
int lxe_cli_inspect(int argc, char **argv);
int lxe_cli_image_ls(int argc, char **argv);
int lxe_cli_image_build(int argc, char **argv);
int lxe_cli_image_import(int argc, char **argv);
int lxe_cli_image_export(int argc, char **argv);
int lxe_cli_image_inspect(int argc, char **argv);
int lxe_cli_image_rm(int argc, char **argv);
int lxe_cli_gc(int argc, char **argv);
int lxe_cli_doctor(int argc, char **argv);
int lxe_cli_version(int argc, char **argv);
int lxe_cli_help(int argc, char **argv);
int lxe_cli_stats(int argc, char **argv);

#endif
