#include "client/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

static int put_in_place(const struct lxe_newfile *file)
{
	char own[32];

	lxe_format(own, sizeof(own), "/proc/self/fd/%d", file->fd);
	if (file->fd >= 0 && linkat(AT_FDCWD, own, AT_FDCWD, file->part, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return rename(file->part, file->path) < 0 ? -errno : 0;
}

/* What is sent to the caller's process group is not for it, and it holds nothing of his but the file. */
_Noreturn static void stand_guard(const struct lxe_newfile *file, int fd)
{
	const int kept[] = { file->fd, fd };
	int r = 0;

	setsid();
	sys_close_from(0, file->fd < 0 ? kept + 1 : kept, file->fd < 0 ? 1 : 2);
	if (sys_read(fd, &r, sizeof(r)) == sizeof(r)) {
		r = put_in_place(file);
		if (r < 0)
			unlink(file->part);
		sys_send(fd, &r, sizeof(r), NULL, 0);
	} else if (file->fd < 0) {
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
	int r = 0;

	if (!realpath(path, file->path))
		r = lxe_format(file->path, sizeof(file->path), "%s", path);
	if (r == 0)
		r = lxe_format(
			file->part, sizeof(file->part), "%s.part-%d", file->path, (int)getpid());
	if (r < 0)
		return r;
	file->fd = open_unnamed(file->path);
	r = begin_guard(file);
	if (r < 0 || file->fd >= 0)
		return r;
	file->fd = open(file->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	return file->fd < 0 ? -errno : 0;
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
