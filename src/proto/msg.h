/*
 * The protocol between a client and its keeper: records on a SOCK_SEQPACKET socket, each with a
 * type, its fields and the descriptors that travel with it. Every descriptor declares its role, so
 * that nothing depends on the order of arrival. Encoding and decoding are pure; send and receive
 * move one record.
 *
 *   client                                   keeper
 *     CREATE  spec, stdio or ring, tty  ───►   makes the sandbox, parks and releases the command
 *             ◄───  BUILDING (only if the image has to be built first: that takes its time)
 *             ◄───  STARTED  pid, master, procs
 *             ◄───  EXITED   the command is gone; with a terminal the client delivers the rest
 *     DRAINED                           ───►   tears down
 *             ◄───  DONE     outcome           (also after any failure, and instead of the above)
 *     BYE                               ───►   the caller's terminal is his again; without it, or
 *                                              an end of the connection, the keeper restores it
 *     STOP    signal                    ───►   at any time: end it
 *     BUILD   image                     ───►   instead of CREATE: build an image, answered by DONE
 */
#ifndef LXE_PROTO_MSG_H
#define LXE_PROTO_MSG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "base/err.h"
#include "store/dirs.h"
#include "store/outcome.h"

enum lxe_msg_type {
	LXE_MSG_CREATE = 1,
	LXE_MSG_BUILDING,
	LXE_MSG_STARTED,
	LXE_MSG_EXITED,
	LXE_MSG_DRAINED,
	LXE_MSG_DONE,
	LXE_MSG_BYE,
	LXE_MSG_STOP,
	LXE_MSG_BUILD,
};

enum lxe_fd_role {
	LXE_FD_PARENT, /* the directory of all sandboxes */
	LXE_FD_DIR,    /* the sandbox's own, locked */
	LXE_FD_SPEC,   /* memfd with the encoded spec */
	LXE_FD_STDIN,
	LXE_FD_STDOUT,
	LXE_FD_STDERR,
	LXE_FD_RING,   /* memfd of the terminal's output ring */
	LXE_FD_TTY,    /* the caller's terminal, to be restored if the client cannot */
	LXE_FD_RESULT, /* where the result record goes */
	LXE_FD_MASTER, /* the pty master */
	LXE_FD_PROCS,  /* cgroup.procs of the command's group */
};

#define LXE_FD_ROLES 11

struct lxe_msg {
	enum lxe_msg_type type;
	int fds[LXE_FD_ROLES]; /* by role; -EBADF: none. Owned by whoever received the message */
	/* CREATE, BUILD */
	uint64_t begun_us;		   /* CLOCK_MONOTONIC when the client began */
	struct lxe_dirs dirs;		   /* without the run directory */
	struct termios tty_saved, tty_raw; /* with LXE_FD_TTY */
	/* CREATE */
	char id[LXE_ID_LEN + 1]; /* of the sandbox */
	/* BUILD */
	char image[256];
	/* STARTED */
	pid_t pid;
	/* STOP */
	int signal;
	/* DONE */
	struct lxe_outcome outcome;
};

void lxe_msg_init(struct lxe_msg *msg, enum lxe_msg_type type);
void lxe_msg_release(struct lxe_msg *msg); /* closes the descriptors */

#define LXE_MSG_MAX 8192 /* bytes of an encoded record */

/* Encode into buf: its length, or -EMSGSIZE. roles lists what descriptors must accompany it. */
ssize_t lxe_msg_encode(const struct lxe_msg *msg, unsigned char *buf, size_t size);

/*
 * Decode a record that arrived with n_fds descriptors, which become msg's on success. Another
 * version, an unknown type, a field that is unknown, missing, repeated or not this type's, a missing
 * or surplus descriptor, a role named twice: -EBADMSG, and msg is empty.
 */
int lxe_msg_decode(
	struct lxe_msg *msg, const unsigned char *buf, size_t len, const int *fds, size_t n_fds);

/* Send one record; the descriptors stay the caller's. -EPIPE when the peer is gone. */
int lxe_msg_send(int fd, const struct lxe_msg *msg);

/* Receive one record: 1, 0 when the peer is gone, or a negative errno. */
int lxe_msg_recv(int fd, struct lxe_msg *msg);

#endif
