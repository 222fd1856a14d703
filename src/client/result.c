/* Where the result record goes. See client.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/num.h"
#include "base/str.h"
#include "client/client.h"
#include "sys/fd.h"

int lxe_client_open_result(const char *where, struct lxe_err *err)
{
	int number, fd, r;

	if (lxe_starts_with(where, "fd:")) {
		if (lxe_parse_int(where + 3, 0, INT_MAX, &number) < 0)
			return lxe_fail(err, -EINVAL, "write the result record to '%s'", where);
		fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
			0644);
		/* A FIFO without a reader is refused; then writes may wait like any other. */
		if (fd >= 0)
			sys_set_nonblock(fd, false);
	}
	if (fd >= 0)
		return fd;
	r = -errno;
	lxe_fail(err, r, "open the result record '%s'", where);
	lxe_hint(err, "name a file that can be written, or fd:N for an open descriptor");
	return r;
}
