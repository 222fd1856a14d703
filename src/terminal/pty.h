/*
 * A pty pair of the container's own devpts, and the window size. See pty(7), ioctl_tty(2).
 */
#ifndef LXE_TERMINAL_PTY_H
#define LXE_TERMINAL_PTY_H

#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "base/err.h"

/* More than what can be on its way from slave to master: drivers/tty/pty.c has 8 KiB, n_tty.c 4. */
#define LXE_PTY_HOLDS (64 * 1024)

struct lxe_pty {
	int master; /* non-blocking, CLOEXEC */
	int slave;  /* CLOEXEC, opened with O_NOCTTY */
};

/*
 * Allocate from the devpts whose root is `devpts` (a directory descriptor; negative: from the
 * host's, by openpty(3)), owned by uid:gid (host ids) with mode 0620, with the given size (0: 24x80)
 * and sane settings with IUTF8 set.
 */
int lxe_pty_open(struct lxe_pty *ret, int devpts, uid_t uid, gid_t gid, uint16_t rows,
	uint16_t cols, struct lxe_err *err);
void lxe_pty_release(struct lxe_pty *pty);

/* In the child: make the slave (already fd 0) the controlling terminal. Async-signal-safe. */
int lxe_pty_become_controlling(int slave);

#endif
