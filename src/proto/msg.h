/*
 * The protocol between a client and a keeper: records on a SOCK_SEQPACKET socket, each with a type,
 * its fields and the descriptors that travel with it. Every descriptor declares its role, so that
 * nothing depends on the order of arrival. Encoding and decoding are pure; send and receive move one
 * record.
 *
 * The creator's connection is born with the keeper and begins with CREATE; every other one comes in
 * through the sandbox's socket and begins with HELLO. What a connection's later words are about is
 * its process: the command of the sandbox, or the one that its EXEC has made.
 *
 *   client                                   keeper
 *     HELLO   nonce, role, process      ───►   says nothing: a wrong one is closed
 *     CREATE  spec, stdio or tty        ───►   makes the sandbox and parks its command
 *             ◄───  BUILDING                   only if it takes longer than an answer should: the image has to be built
 *                                              first; or, to who waits for an EXEC or a START, a commit lets
 *                                              nothing inside run, and it goes on when that has ended
 *             ◄───  CREATED  pid             (CREATE without LXE_CREATE_START ends here)
 *     START                             ───►   releases it, answered by OK when it was executed
 *     EXEC    spec, stdio or tty        ───►   one more command; goes on as below
 *             ◄───  STARTED  pid, master, ring, procs
 *             ◄───  EXITED   the command is gone; with a terminal the client delivers the rest
 *     DRAINED                           ───►   goes on to the end
 *             ◄───  DONE     outcome           (also after any refusal, and instead of the above; that
 *                                              of a refusal was never created: it has no times)
 *     BYE                               ───►   the caller's terminal is his again; without it, or
 *                                              an end of the connection, the keeper restores it
 *             ◄───  BYE                        to the creator: nothing is left but others, who are late
 *     STOP    signal, grace, destroy    ───►   at any time: end it
 *     SIGNAL  signal                    ───►   send it, answered by OK
 *     WAIT                              ───►   answered by DONE, when it has ended
 *     DETACH                            ───►   the end of this connection means nothing any more
 *     ATTACH  flags, tty                ───►   role drive: answered by STARTED, or DONE
 *             ◄───  YIELD                      somebody takes the terminal over
 *     YIELDED unsent input              ───►   it was let go of
 *             ◄───  BELL     eventfd           somebody watches: ring for every output (none: no more)
 *     WATCH                             ───►   role watch
 *             ◄───  SNAPSHOT modes, size       the next `size` bytes of DATA are what is there already
 *             ◄───  DATA     bytes
 *     LAYER   index, flags              ───►   of a copy-on-write mount, answered by LAYER with its directories, or
 *                                              DONE; FREEZE: nothing inside runs until the connection ends
 *             ◄───  SETTLE   outcome           its command has ended, nothing of it runs, and its layers are there
 *     SETTLED outcome, flags            ───►   what has become of them: it goes on to the end
 *     BUILD   image, job, words         ───►   instead of CREATE: make or read an image, answered by DONE
 *             ◄───  DATA     bytes              what is printed meanwhile
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
	LXE_MSG_HELLO,
	LXE_MSG_CREATED,
	LXE_MSG_START,
	LXE_MSG_EXEC,
	LXE_MSG_SIGNAL,
	LXE_MSG_WAIT,
	LXE_MSG_DETACH,
	LXE_MSG_OK,
	LXE_MSG_ATTACH,
	LXE_MSG_YIELD,
	LXE_MSG_YIELDED,
	LXE_MSG_BELL,
	LXE_MSG_WATCH,
	LXE_MSG_SNAPSHOT,
	LXE_MSG_DATA,
	LXE_MSG_LAYER,
	LXE_MSG_SETTLE,
	LXE_MSG_SETTLED,
};

#define LXE_MSG_LAST LXE_MSG_SETTLED

/* What a connection may do. */
enum lxe_role {
	LXE_ROLE_CONTROL = 1, /* everything but the terminal */
	LXE_ROLE_DRIVE,	      /* the terminal's input and output */
	LXE_ROLE_WATCH,	      /* the terminal's output */
};

#define LXE_NONCE_LEN 32

/* Of CREATE. */
#define LXE_CREATE_START 1u /* release the command at once */
#define LXE_CREATE_HOLD 2u  /* the end of this connection ends one that is kept as well */
#define LXE_CREATE_AGAIN 4u /* one that has ended and was kept: whatever happens, its files stay */
/* Of EXEC: say OK when the command was executed. */
#define LXE_EXEC_TELL 1u
/* Of STOP: remove the sandbox as well, also one that is kept. */
#define LXE_STOP_DESTROY 1u
/* Of LAYER: nothing inside runs until this connection ends, where there is a cgroup that can do that. */
#define LXE_LAYER_FREEZE 1u
/* Of SETTLED: the sandbox is kept, with its layers. */
#define LXE_SETTLED_KEEP 1u
/* Of ATTACH: whoever drives now is asked to leave. */
#define LXE_ATTACH_TAKE_OVER 1u

/* Of BUILD: what is to be done, instead of bits. Its words are in `bytes`, each with the zero that ends it. */
enum lxe_image_job {
	LXE_JOB_BUILD,	/* run the template; words: its further options */
	LXE_JOB_IMPORT, /* words: kind, path, tag, "force" or nothing; LXE_FD_STDIN: the source, LXE_FD_SPEC: its configuration */
	LXE_JOB_EXPORT, /* LXE_FD_STDOUT: where the archive goes */
};

#define LXE_MODES_MAX 768 /* bytes of a struct lxe_modes (terminal/modes.h), and room */
#define LXE_DATA_MAX 4096

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
	LXE_FD_INPUT,  /* memfd with input that was not sent yet */
	LXE_FD_BELL,   /* eventfd */
	LXE_FD_SPILL,  /* the file that gets all output */
	LXE_FD_OUTPUT, /* memfd of the output's governor */
	LXE_FD_SECRET, /* memfd (policy/secret.h) */
	LXE_FD_LEARN,  /* the file that gets the profile of what is used */
	LXE_FD_SOURCE, /* the directory below a copy-on-write mount, as the caller has it */
	LXE_FD_LAYER,  /* that of its layer: rootfs/cow.h */
};

#define LXE_FD_ROLES 19

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
	/* CREATE, EXEC, STOP, ATTACH: the bits above; BUILD: the job */
	uint32_t flags;
	/* HELLO */
	unsigned char nonce[LXE_NONCE_LEN]; /* the sandbox's */
	enum lxe_role role;
	/* HELLO: its number, 0 is the sandbox's command; LAYER: of the mount, in the order of the spec */
	uint32_t process;
	/* CREATED, STARTED */
	pid_t pid;
	/* STOP, SIGNAL */
	int signal;
	/* STOP: between the command's stop signal and the end of its tree; 0: at once */
	uint64_t grace_ms;
	/* DONE */
	struct lxe_outcome outcome;
	/* SNAPSHOT: of the terminal, before the bytes that follow */
	unsigned char modes[LXE_MODES_MAX];
	uint16_t rows, cols;
	uint64_t size;
	/* DATA, BUILD */
	unsigned char bytes[LXE_DATA_MAX];
	size_t n_bytes;
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
