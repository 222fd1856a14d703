/*
 * Files of the caller's that a run writes beside the command's output: what --spill and --learn name. A path is a
 * plain file of his alone, and no link is followed; fd:N is a descriptor, whatever it is of.
 */
#ifndef LXE_CLIENT_OUTFILE_H
#define LXE_CLIENT_OUTFILE_H

#include <stdbool.h>

#include "base/err.h"

/* The file is made if it is not there, and not emptied: a descriptor, the caller's. `option` is for messages. */
int lxe_outfile_open(const char *option, const char *where, struct lxe_err *err);

/* Is it a descriptor? To what that has, something may be added; nothing of it is taken away. */
bool lxe_outfile_is_descriptor(const char *where);

#endif
