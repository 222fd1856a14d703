/*
 * A command that could not be executed, or not where it was to be: which rule of its sandbox is the
 * reason, and what option would change that. For the outcome's message, rule and hint.
 */
#ifndef LXE_KEEPER_EXPLAIN_H
#define LXE_KEEPER_EXPLAIN_H

#include "base/err.h"
#include "keeper/child.h"

struct lxe_process;

/* What the child's report says, as an error: any step but PARKED. Fills p->outcome.error for EXEC. */
void lxe_explain(struct lxe_process *p, const struct lxe_child_report *report, struct lxe_err *err);

/* The process could not be put into the container: a limit may be the reason. Replaces what `err` says then. */
void lxe_explain_entry(const struct lxe_process *p, struct lxe_err *err);

#endif
