#include "client/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/socket.h"

static int open_unnamed(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, r = lxe_format(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1,
			slash ? path : ".");

	if (r < 0)
		return r;
	fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
	return fd < 0 ? -errno : fd;
}

/* Where there is a name already, it is one that the guard has made. */
static int put_in_place(const struct lxe_newfile *file, int fd, bool unnamed)
{
	int r = unnamed ? sys_link_fd(fd, AT_FDCWD, file->part) : 0;

	if (r < 0)
		return r;
	r = rename(file->part, file->path) < 0 ? -errno : 0;
	if (r < 0)
		unlink(file->part);
	return r;
}

/* Made here, so that whoever dies next, somebody knows of it. */
static int make_file(const struct lxe_newfile *file, int guard, bool *unnamed)
{
	int fd = open_unnamed(file->path), r;

	*unnamed = fd >= 0;
	if (!*unnamed)
		fd = open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	r = fd < 0 ? -errno : 0;
	r = sys_send(guard, &r, sizeof(r), &fd, fd >= 0) < 0 ? -EPIPE : r;
	if (r < 0 && fd >= 0 && !*unnamed)
		unlink(file->part);
	return r < 0 ? r : fd;
}

/* What is sent to the caller's process group is not for it, and it holds nothing of his but the file. */
_Noreturn static void stand_guard(const struct lxe_newfile *file, int guard)
{
	bool unnamed;
	int fd, r;

	setsid();
	sys_close_from(0, &guard, 1);
	fd = make_file(file, guard, &unnamed);
	if (fd < 0)
		_exit(1);
	if (sys_read(guard, &r, sizeof(r)) == sizeof(r)) {
		r = put_in_place(file, fd, unnamed);
		sys_send(guard, &r, sizeof(r), NULL, 0);
	} else if (!unnamed) {
		unlink(file->part);
	}
	_exit(0);
}

static int begin_guard(struct lxe_newfile *file)
{
	int ends[2], r = sys_socketpair(ends);

	if (r < 0)
		return r;
	file->pid = fork();
	if (file->pid == 0)
		stand_guard(file, ends[1]);
	r = file->pid < 0 ? -errno : 0;
	close(ends[1]);
	file->guard = ends[0];
	return r;
}

static int open_file(struct lxe_newfile *file, const char *path)
{
	size_t n = 1;
	int r = 0, answer = -EIO;

	if (!realpath(path, file->path))
		r = lxe_format(file->path, sizeof(file->path), "%s", path);
	if (r == 0)
		r = lxe_format(
			file->part, sizeof(file->part), "%s.part-%d", file->path, (int)getpid());
	if (r == 0)
		r = begin_guard(file);
	if (r < 0)
		return r;
	if (sys_recv(file->guard, &answer, sizeof(answer), &file->fd, &n) != sizeof(answer))
		return -EIO;
	return answer < 0 ? answer : n == 1 ? 0 : -EIO;
}

/* Without an answer to wait for, the guard tidies up. */
static int dismiss(struct lxe_newfile *file, int r)
{
	int status;

	lxe_drop_fd(&file->guard);
	lxe_drop_fd(&file->fd);
	if (file->pid > 0)
		sys_wait(file->pid, &status);
	return r;
}

int lxe_newfile_begin(struct lxe_newfile *ret, const char *path, struct lxe_err *err)
{
	struct stat st;
	bool exists = stat(path, &st) == 0;
	int r;

	*ret = (struct lxe_newfile){ .fd = -EBADF, .guard = -EBADF };
	r = open_file(ret, path);
	if (r < 0)
		return lxe_fail(err, dismiss(ret, r), "make '%s'", path);
	/* What nobody else could read before is not for everybody now; where there are no modes nothing is lost. */
	if (exists)
		(void)!fchmod(ret->fd, st.st_mode & 0777);
	return 0;
}

int lxe_newfile_end(struct lxe_newfile *file, bool keep, struct lxe_err *err)
{
	int r = 0, answer;

	if (keep)
		r = fsync(file->fd) < 0 ? -errno : sys_send(file->guard, &r, sizeof(r), NULL, 0);
	if (keep && r == 0)
		r = sys_read(file->guard, &answer, sizeof(answer)) == sizeof(answer) ? answer
										     : -EIO;
	dismiss(file, 0);
	return r < 0 ? lxe_fail(err, r, "write '%s'", file->path) : 0;
}
