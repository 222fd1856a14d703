#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/brief.h"
#include "sys/proc.h"

ssize_t sys_read(int fd, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t sys_write(int fd, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = write(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int sys_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = sys_write(fd, p, len);

		if (n < 0)
			return (int)n;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int sys_copy_all(int from, int to)
{
	char buf[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
		int r = sys_write_all(to, buf, (size_t)n);

		if (r < 0)
			return r;
		at += n;
	}
	return n < 0 ? -errno : 0;
}

/* How much of it a descriptor that poll(2) calls writable takes without waiting. */
static ssize_t write_some(int fd, const struct stat *st, const void *buf, size_t len)
{
	ssize_t n;

	if (S_ISSOCK(st->st_mode)) {
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		return n < 0 ? -errno : n;
	}
	if (S_ISREG(st->st_mode))
		return sys_write(fd, buf, len);
	if (S_ISCHR(st->st_mode))
		return sys_write_brief(fd, buf, len);
	return sys_write(fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
}

int sys_write_within(int fd, const void *buf, size_t len, int timeout_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLOUT };
	uint64_t end = sys_now_ms() + (uint64_t)timeout_ms, now;
	const char *p = buf;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	while (len) {
		now = sys_now_ms();
		if (poll(&polled, 1, now < end ? (int)(end - now) : 0) == 0)
			return -ETIMEDOUT;
		n = write_some(fd, &st, p, len);
		if (n == -EAGAIN || n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int sys_write_file(int dirfd, const char *path, const char *text)
{
	LXE_AUTOCLOSE int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (text[len])
		len++;
	return sys_write_all(fd, text, len);
}

ssize_t sys_read_file(int dirfd, const char *path, char *buf, size_t size)
{
	LXE_AUTOCLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	if (fd < 0)
		return -errno;
	while (used < size) {
		ssize_t n = sys_read(fd, buf + used, size - used);

		if (n < 0)
			return n;
		if (n == 0) {
			buf[used] = '\0';
			return (ssize_t)used;
		}
		used += (size_t)n;
	}
	return -E2BIG;
}

int sys_read_whole(int fd, size_t max, char **ret, size_t *ret_len)
{
	LXE_AUTOFREE char *buf = NULL;
	size_t used = 0, size = 0;
	ssize_t n;

	do {
		if (used + 1 >= size) {
			char *grown = realloc(buf, size = size ? size * 2 : 4096);

			if (!grown)
				return -ENOMEM;
			buf = grown;
		}
		do {
			n = pread(fd, buf + used, size - used - 1, (off_t)used);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		used += (size_t)n;
		if (used > max)
			return -E2BIG;
	} while (n > 0);
	buf[used] = '\0';
	*ret_len = used;
	*ret = take_ptr(buf);
	return 0;
}

/* Wide enough for any number. */
struct link {
	char name[32];
};

static struct link link_of(int fd)
{
	struct link l;

	snprintf(l.name, sizeof(l.name), "/proc/self/fd/%d", fd);
	return l;
}

int sys_fd_path(int fd, char *ret, size_t size)
{
	struct link l = link_of(fd);
	ssize_t n = readlink(l.name, ret, size);

	if (n < 0)
		return -errno;
	if ((size_t)n == size)
		return -ENAMETOOLONG;
	ret[n] = '\0';
	return 0;
}

int sys_reopen(int fd, int flags)
{
	struct link l = link_of(fd);
	int again = open(l.name, flags | O_NOCTTY | O_CLOEXEC);

	return again < 0 ? -errno : again;
}

int sys_link_fd(int fd, int at, const char *name)
{
	struct link l = link_of(fd);

	return linkat(AT_FDCWD, l.name, at, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int change_flags(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);
	int wanted = on ? flags | flag : flags & ~flag;

	if (flags < 0)
		return -errno;
	if (flags != wanted && fcntl(fd, set, wanted) < 0)
		return -errno;
	return 0;
}

int sys_set_nonblock(int fd, bool on)
{
	return change_flags(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int sys_set_cloexec(int fd, bool on)
{
	return change_flags(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int sys_memfd(const char *name, size_t size)
{
	LXE_AUTOCLOSE int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (size && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return take_fd(&fd);
}

int sys_pipe(int ends[2])
{
	return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}

bool sys_is_shortage(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS || r == -ENOSPC;
}

static int close_span(int first, unsigned int last)
{
	if ((unsigned int)first > last)
		return 0;
	return close_range((unsigned int)first, last, 0) < 0 ? -errno : 0;
}

int sys_close_from(int first, const int *keep, size_t n_keep)
{
	int r;

	for (size_t i = 0; i < n_keep; i++) {
		if (keep[i] < first)
			continue;
		r = keep[i] ? close_span(first, (unsigned int)keep[i] - 1) : 0;
		if (r < 0)
			return r;
		first = keep[i] + 1;
	}
	return close_span(first, UINT_MAX);
}
