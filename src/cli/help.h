/*
 * The texts of --help, made from the tables of verbs and options.
 */
#ifndef LXE_CLI_HELP_H
#define LXE_CLI_HELP_H

#include "cli/verbs.h"

/* Print to standard output: one verb, or all of them in short. */
void lxe_help_verb(const struct lxe_verb_info *info);

#endif
