/*
 * Descriptors: whole reads and writes, small files, memory files. Short reads and writes are
 * normal and EINTR is retried here; EAGAIN goes back to the caller. Everything returns >= 0 or a
 * negative errno. Calls on blocking descriptors block.
 */
#ifndef LXE_SYS_FD_H
#define LXE_SYS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* read(2) and write(2) with EINTR retried: bytes moved, 0 at end of file, or a negative errno. */
ssize_t sys_read(int fd, void *buf, size_t len);
ssize_t sys_write(int fd, const void *buf, size_t len);

/*
 * Everything, to somebody who may not take it: -ETIMEDOUT after timeout_ms. What is no pipe, socket
 * or terminal gets it in one write.
 */
int sys_write_within(int fd, const void *buf, size_t len, int timeout_ms);

#define SYS_STALLED_MS 1000 /* for a pipe or a terminal that takes nothing */

/* Write all of it, or a negative errno. */
int sys_write_all(int fd, const void *buf, size_t len);

/* Write all that a file holds, wherever it stands. */
int sys_copy_all(int from, int to);

/* Write one text into a file that exists (a control file of the kernel): openat + write. */
int sys_write_file(int dirfd, const char *path, const char *text);

/* Read a small file whole and terminate it: length, -E2BIG when it does not fit. */
ssize_t sys_read_file(int dirfd, const char *path, char *buf, size_t size);

/* Read a descriptor from its start to its end into allocated memory; the caller frees *ret. */
int sys_read_whole(int fd, size_t max, char **ret, size_t *ret_len);

/* The path that a descriptor has, as this process's root and the kernel (readlink(2)) name it; -ENAMETOOLONG. */
int sys_fd_path(int fd, char *ret, size_t size);

/* open(2) once more what a descriptor refers to, by no path that could lead elsewhere; always O_CLOEXEC and O_NOCTTY. */
int sys_reopen(int fd, int flags);

/* Give a file that was opened with O_TMPFILE its first name; -EEXIST if there is one. */
int sys_link_fd(int fd, int at, const char *name);

int sys_set_nonblock(int fd, bool on);
int sys_set_cloexec(int fd, bool on);

/* An anonymous file, CLOEXEC, of `size` zero bytes (memfd_create(2)). */
int sys_memfd(const char *name, size_t size);

/* A pipe whose ends are CLOEXEC: ends[0] is read, ends[1] is written. */
int sys_pipe(int ends[2]);

/* Is that negative errno a want of descriptors, or of the kernel's memory for them, that may pass? */
bool sys_is_shortage(int r);

/* Close every descriptor from `first` on except those listed (ascending, any number of them). */
int sys_close_from(int first, const int *keep, size_t n_keep);

#endif
