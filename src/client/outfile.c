#include "client/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"

bool lxe_outfile_is_descriptor(const char *where)
{
	return lxe_starts_with(where, "fd:");
}

static int open_descriptor(const char *option, const char *where, struct lxe_err *err)
{
	int number, flags, fd;

	if (lxe_parse_int(where + 3, 0, INT_MAX, &number) < 0)
		return lxe_fail_msg(
			err, -EINVAL, "%s '%s' does not name a descriptor", option, where);
	flags = fcntl(number, F_GETFL);
	fd = flags < 0 ? -1 : fcntl(number, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH))
		return fd;
	lxe_close(fd);
	lxe_hint(err, "open it for the program: %s fd:3 … 3>FILE", option);
	return lxe_fail_msg(
		err, -EBADF, "%s '%s': this descriptor is not open for writing", option, where);
}

/* Its directory may be one that others write to: a link there could lead anywhere. */
static int open_path(const char *option, const char *where, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(
		where, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == -ELOOP || r == -ENXIO || (r == 0 && !S_ISREG(st.st_mode))) {
		lxe_fail_msg(err, -EINVAL, "%s '%s' is not a plain file", option, where);
		lxe_hint(err, "name a new file, or one that may be replaced");
		return -EINVAL;
	}
	if (r < 0) {
		lxe_fail(err, r, "open '%s' for %s", where, option);
		lxe_hint(err, "name a file that can be written");
		return r;
	}
	return take_fd(&fd);
}

int lxe_outfile_open(const char *option, const char *where, struct lxe_err *err)
{
	return lxe_outfile_is_descriptor(where) ? open_descriptor(option, where, err)
						: open_path(option, where, err);
}
