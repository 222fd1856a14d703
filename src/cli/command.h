/* What the verbs that run something have in common: the command, its files, and its end. */
#ifndef LXE_CLI_COMMAND_H
#define LXE_CLI_COMMAND_H

#include "cli/cli.h"

int lxe_command_set(struct lxe_cli *cli, char *const *words, size_t n);

/* A login shell with a terminal, a shell that reads its input without. */
int lxe_command_set_shell(struct lxe_cli *cli);

/* Are the standard files fit for it, and the terminal known? */
int lxe_command_check(struct lxe_cli *cli);

/* Run it in a new sandbox, or in the one of that name: 0 with *status to exit with. */
int lxe_command_run(struct lxe_cli *cli, int *status);
int lxe_command_exec(struct lxe_cli *cli, const char *name, int *status);

#endif
