/*
 * Writing where O_NONBLOCK cannot be had: a terminal of another user, whose description we share with
 * the caller and must not change. poll(2) says that it takes a byte, and a write of more waits for its
 * reader without bound. Owns nothing; waits for a few milliseconds at most, in a write that a signal to
 * this thread interrupts. Who handles SIGALRM himself meanwhile has his handler back afterwards.
 */
#ifndef LXE_SYS_BRIEF_H
#define LXE_SYS_BRIEF_H

#include <stddef.h>
#include <sys/types.h>

/* Bytes written, -EAGAIN when nobody took any in time, or a negative errno. */
ssize_t sys_write_brief(int fd, const void *buf, size_t len);

#endif
