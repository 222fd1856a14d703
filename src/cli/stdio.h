/*
 * The three standard files: open before anything else runs, and fit for a command to be given.
 */
#ifndef LXE_CLI_STDIO_H
#define LXE_CLI_STDIO_H

#include <stdbool.h>

#include "base/err.h"
#include "policy/spec.h"

/*
 * Fill what the caller has closed of 0, 1 and 2, so that no file of ours ever gets such a number.
 * The fillers of 0 and 1 are open for the wrong direction: using them fails as a closed file does.
 */
int lxe_stdio_fill(void);

/* Refuse to run anything when input or output is closed, or input is a directory. */
int lxe_stdio_check(struct lxe_err *err);

/* What goes to a descriptor needs one that is open for writing: looked at before any of ours is open. */
int lxe_stdio_check_writable(const char *option, const char *where, struct lxe_err *err);

/*
 * With a terminal, take over the caller's TERM, which must be known on this machine, unless the
 * command is given one of its own.
 */
int lxe_stdio_set_term(struct lxe_spec *spec, struct lxe_err *err);

#endif
