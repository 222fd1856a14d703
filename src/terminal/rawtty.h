/*
 * The caller's terminal: raw while a pty is driven, and as it was afterwards, on every way out.
 * Never sets O_NONBLOCK on the caller's own file description.
 */
#ifndef LXE_TERMINAL_RAWTTY_H
#define LXE_TERMINAL_RAWTTY_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/err.h"

struct lxe_rawtty {
	int fd; /* borrowed; -EBADF: there is no terminal to care for */
	struct termios saved, raw;
	bool is_raw;
};

/* Save the settings of fd and work out the raw ones; nothing is changed before lxe_rawtty_again(). */
int lxe_rawtty_prepare(struct lxe_rawtty *t, int fd, struct lxe_err *err);

/* Put the saved settings back; async-signal-safe and idempotent. */
void lxe_rawtty_leave(struct lxe_rawtty *t);

/*
 * Raw: after prepare, or again after leave. Pending input is kept (TCSANOW). A process in the
 * background is stopped by SIGTTOU here, as by any tcsetattr(3).
 */
void lxe_rawtty_again(struct lxe_rawtty *t);

/* Raw again after SIGCONT, unless it was bg(1) that sent it: then the terminal is the shell's. */
void lxe_rawtty_continue(struct lxe_rawtty *t);

/*
 * For a process that restores in the driver's stead: only if the terminal is still as the driver
 * left it (raw as in `raw`), because its shell may have taken it back meanwhile.
 */
void lxe_rawtty_restore_if(int fd, const struct termios *raw, const struct termios *saved);

/* Rows and columns of a terminal; 0 and 0 where it has none. */
void lxe_rawtty_size(int fd, uint16_t *rows, uint16_t *cols);

/*
 * An own, non-blocking file description of what fd refers to (by /proc/self/fd), or a plain
 * duplicate where that cannot be had (sockets, a tty of another owner). *nonblocking says which.
 */
int lxe_reopen(int fd, int access_mode, bool *nonblocking);

#endif
