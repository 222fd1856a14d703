/*
 * All printing. Answers go to standard output through lxe_print() and lxe_print_json(), and
 * lxe_print_end() tells whether they arrived. Errors and notes go to standard error, escaped, in
 * one write(2) each, so that lines of two processes do not mix.
 */
#ifndef LXE_CLI_PRINT_H
#define LXE_CLI_PRINT_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "store/outcome.h"

void lxe_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Text that somebody else chose, escaped, padded to `width` columns (0: not at all). */
void lxe_print_field(const char *text, int width);

/* Text that may not be UTF-8, which JSON must be: escaped where it is not. NULL stays null. */
json_t *lxe_json_text(const char *text);

/* Print and release; -ENOMEM for the NULL of a failed construction. */
int lxe_print_json(json_t *value);

/* Flush: `status`, or 125 after a message when standard output did not take everything. */
int lxe_print_end(int status);

/* "lxc-exec: MESSAGE" and, where there is one, "hint: HINT". Returns 125, to be exited with. */
int lxe_print_error(const struct lxe_err *err);

void lxe_print_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What could not be removed, one thing a line. */
void lxe_print_residue(const char *id, const char *residue);

/* What a run's end needs said on standard error; `verbose` is that of the spec. */
void lxe_print_outcome(const struct lxe_outcome *o, uint64_t timeout_ms, int verbose);

#endif
