#include "client/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "sys/fd.h"

int lxe_source_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * A FIFO that nobody has opened to write yet looks like its end to read(2), but not to poll(2): it says
 * POLLHUP only when a writer has been there and gone.
 */
static int await(int fd, int timeout_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int r;

	do {
		r = poll(&polled, 1, timeout_ms);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

ssize_t lxe_source_read(int fd, void *buf, size_t max, int timeout_ms)
{
	char *p = buf;
	size_t len = 0;

	if (isatty(fd))
		timeout_ms = -1;

	while (len < max) {
		ssize_t n = await(fd, timeout_ms);

		if (n == 0)
			n = sys_read(fd, p + len, max - len);
		if (n == -EAGAIN)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}
