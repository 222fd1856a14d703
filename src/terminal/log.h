/*
 * Terminal output as plain text, line by line, while it comes (logs --follow). Pure, of bounded
 * memory. What comes out is UTF-8 with line feeds and tabs and no other control character.
 *
 * A line is what stands on it when it ends: carriage return, backspace, erasing and moving within
 * the line are followed, so a progress bar leaves its last state. Its limits: every character counts
 * as one column; sequences that move up, down or to another line end the line; what is shown on the
 * alternate screen is left out; of a line longer than LXE_LOG_LINE_MAX characters the beginning is
 * passed on and cannot be overwritten any more. Blanks at the end of a line are cut.
 */
#ifndef LXE_TERMINAL_LOG_H
#define LXE_TERMINAL_LOG_H

#include <stddef.h>

#include "terminal/modes.h"

#define LXE_LOG_LINE_MAX 4096

struct lxe_log;

int lxe_log_new(struct lxe_log **ret);
void lxe_log_free(struct lxe_log *log);

/* Before anything is fed: what had been set (the alternate screen) when the stream begins. */
void lxe_log_begin(struct lxe_log *log, const struct lxe_modes *modes);

/*
 * Bytes in pieces of any size; *text is what has become complete by them, and belongs to the log
 * until the next call. 0 or -ENOMEM, after which the log can only be freed.
 */
int lxe_log_feed(struct lxe_log *log, const void *bytes, size_t n, const char **text, size_t *len);

/* The end: the line that is not complete, with a line feed if there is anything on it. */
int lxe_log_end(struct lxe_log *log, const char **text, size_t *len);

#endif
