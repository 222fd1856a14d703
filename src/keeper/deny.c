#include "keeper/deny.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/mount.h"

static int open_cover(const char *path)
{
	LXE_AUTOCLOSE int fd = sys_mount_clone(AT_FDCWD, path, false);
	int r;

	if (fd < 0)
		return fd;
	r = sys_mount_change(fd, false,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		-EBADF);
	return r < 0 ? r : take_fd(&fd);
}

static int make_covers(uid_t nobody)
{
	LXE_AUTOCLOSE int fd =
		open(LXE_COVER_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0 || mkdir(LXE_COVER_DIRECTORY, 0) < 0 || fchown(fd, nobody, (gid_t)-1) < 0 ||
		chown(LXE_COVER_DIRECTORY, nobody, (gid_t)-1) < 0)
		return -errno;
	return 0;
}

int lxe_covers_open(struct lxe_covers *ret, uid_t nobody, struct lxe_err *err)
{
	LXE_AUTOCLOSE int file = -EBADF, directory = -EBADF;
	int r = make_covers(nobody);

	if (r == 0)
		r = file = open_cover(LXE_COVER_FILE);
	if (r >= 0)
		r = directory = open_cover(LXE_COVER_DIRECTORY);
	if (r < 0)
		return lxe_fail(err, r, "make the covers of denied paths");
	*ret = (struct lxe_covers){ .file = take_fd(&file), .directory = take_fd(&directory) };
	return 0;
}

void lxe_covers_close(struct lxe_covers *c)
{
	lxe_drop_fd(&c->file);
	lxe_drop_fd(&c->directory);
}

/* *first: where this cover lies already. A mount can be copied once it is in our namespace. */
static int cover(int mount, const char **first, const char *path, int target)
{
	LXE_AUTOCLOSE int copy = -EBADF, lies = -EBADF;
	int r;

	if (*first) {
		/* It may have been named by a symlink. */
		lies = open(*first, O_PATH | O_CLOEXEC);
		copy = lies < 0 ? -errno : sys_mount_clone(lies, "", false);
		if (copy < 0)
			return copy;
		mount = copy;
	}
	r = sys_mount_attach(mount, target, "");
	if (r == 0 && !*first)
		*first = path;
	return r;
}

/* What the path leads to now: may nobody open it? */
static bool is_covered(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !(st.st_mode & 07777) &&
	       open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES;
}

static int deny(const struct lxe_covers *c, const char *first[2], const char *path)
{
	/* Through symlinks: what is denied is what it leads to. */
	LXE_AUTOCLOSE int target = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	bool directory;
	int r;

	if (target < 0 || fstat(target, &st) < 0)
		return -errno;
	directory = S_ISDIR(st.st_mode);
	r = cover(directory ? c->directory : c->file, &first[directory], path, target);
	if (r < 0)
		return r;
	return is_covered(path) ? 0 : -EPERM;
}

int lxe_deny_child(const struct lxe_covers *c, const struct lxe_strv *paths, size_t *at)
{
	const char *first[2] = { NULL, NULL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < paths->n; i++) {
		*at = i;
		r = deny(c, first, paths->v[i]);
		/* One path in another that is denied is out of reach already. */
		if (r == -EACCES)
			r = 0;
	}
	return r;
}
