/*
 * Sockets of type SOCK_SEQPACKET: one message is one record, descriptors travel with it.
 * Everything returns >= 0 or a negative errno.
 */
#ifndef LXE_SYS_SOCKET_H
#define LXE_SYS_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#define SYS_SOCKET_FDS_MAX 16

/* A connected pair, CLOEXEC. */
int sys_socketpair(int ends[2]);

/*
 * A SOCK_SEQPACKET socket that listens as `name` in the directory `dir`, for the owner alone; and one
 * that is connected to it. By way of /proc/self/fd, so that no path is too long for sun_path.
 */
int sys_listen(int dir, const char *name);
int sys_connect(int dir, const char *name);

/* Who is at the other end, or listens there: its pid (unix(7), SO_PEERCRED), and its user. */
pid_t sys_peer(int fd, uid_t *uid);

/*
 * Send one record with n_fds descriptors (0..SYS_SOCKET_FDS_MAX; they stay the caller's). Never
 * raises SIGPIPE: a peer that is gone is -EPIPE.
 */
int sys_send(int fd, const void *buf, size_t len, const int *fds, size_t n_fds);

/*
 * Receive one record: its length, 0 when the peer is gone. *n_fds is the room in fds on the way in
 * and the number received (CLOEXEC, the caller's from now on) on the way out. A record that does
 * not fit, that brought more descriptors than there is room for, or that is nothing but descriptors
 * is -EBADMSG and keeps none.
 */
ssize_t sys_recv(int fd, void *buf, size_t len, int *fds, size_t *n_fds);

#endif
