/*
 * The changing part of what a sandbox's directory says: its state and its processes. The keeper
 * overwrites it in place at every step; it is small and has a checksum, so that a reader who comes
 * between looks again instead of locking.
 */
#ifndef LXE_STORE_LIVE_H
#define LXE_STORE_LIVE_H

#include <stdint.h>
#include <sys/types.h>

#define LXE_LIVE_FILE "state"

struct lxe_live {
	uint32_t state; /* enum lxe_state */
	pid_t keeper;
	pid_t pid;		/* of the command, 0: none */
	uint32_t idmap_start;	/* host uid of root inside */
	uint64_t started_at_ms; /* since the Epoch, 0: not yet */
	uint64_t expires_at_ms; /* when it is ended at the latest, likewise; 0: never */
};

/* A descriptor for lxe_live_write(), of the file below the directory `dir`. */
int lxe_live_open(int dir);
int lxe_live_write(int fd, const struct lxe_live *live);

/* -ENOENT: there is none yet; -EBADMSG: it is damaged; -EPROTONOSUPPORT: of another version. */
int lxe_live_read(int dir, struct lxe_live *ret);

#endif
