#include "changes/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"

#define CHUNK (64 * 1024)
#define STEP (64L * 1024 * 1024)

/* ---- data ---- */

static int copy_bytes(int from, int to, off_t at, off_t end)
{
	char buf[CHUNK];

	if (lseek(from, at, SEEK_SET) < 0 || lseek(to, at, SEEK_SET) < 0)
		return -errno;
	while (at < end) {
		ssize_t n = sys_read(from, buf, (size_t)(end - at < CHUNK ? end - at : CHUNK));
		int r;

		if (n <= 0)
			return n < 0 ? (int)n : -EBUSY;
		r = sys_write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
		at += n;
	}
	return 0;
}

/* The kernel shares the blocks where the file system can; whatever it does not like is read and written. */
static int copy_range(int from, int to, off_t at, off_t end)
{
	while (at < end) {
		off_t in = at, out = at;
		off_t len = end - at < STEP ? end - at : STEP;
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
			return -errno;
		if (n <= 0)
			return copy_bytes(from, to, at, end);
		at += n;
	}
	return 0;
}

int lxe_copy_data(int from, int to, off_t size)
{
	off_t at = 0;

	if (ftruncate(to, size) < 0)
		return -errno;
	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), end;
		int r;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			data = at;
		end = lseek(from, data, SEEK_HOLE);
		if (end < 0 || end > size)
			end = size;
		if (data >= end)
			return 0;
		r = copy_range(from, to, data, end);
		if (r < 0)
			return r;
		at = end;
	}
	return 0;
}

/* ---- the rest ---- */

/* It has no owner below: nothing that the sandbox may give to anybody. */
static bool has_owner(const struct lxe_change *change)
{
	return change->after.uid != (uid_t)-1 && change->after.gid != (gid_t)-1;
}

static int copy_xattrs(const struct lxe_cow_layer *layer, int from, int to)
{
	struct lxe_xattrs x = { 0 };
	int r = lxe_xattrs_read(&x, from, &layer->ids);

	if (r == 0)
		r = lxe_xattrs_write(to, &x);
	lxe_xattrs_release(&x);
	return r;
}

/* A change of the owner takes setuid away, and one of the access control list may change the mode. */
static int finish(const struct lxe_copy *copy, const struct stat *st, int from, int to)
{
	const struct lxe_change *change = copy->change;
	int r;

	if (fchown(to, change->after.uid, change->after.gid) < 0)
		return -errno;
	r = copy_xattrs(copy->layer, from, to);
	if (r < 0)
		return r;
	if (fchmod(to, change->after.mode & 07777) < 0)
		return -errno;
	return futimens(to, (struct timespec[]){ st->st_atim, st->st_mtim }) < 0 ? -errno : 0;
}

/* It must be what was listed: somebody may still be at work in the sandbox. */
static int still_the_same(const struct lxe_change *change, const struct stat *st)
{
	bool same = st->st_ino == change->after.ino && st->st_mode == change->after.mode &&
		    (uint64_t)st->st_size == change->after.size &&
		    lxe_same_time(st->st_mtim, change->after.modified) &&
		    lxe_same_time(st->st_ctim, change->after.changed);

	return same ? 0 : -EBUSY;
}

/*
 * What only root may give stays with a file of which only the rest has changed, unless that has taken it away: a
 * change of the owner does.
 */
static int keep_capabilities(const struct lxe_copy *copy, int from, int to)
{
	LXE_AUTOCLOSE int old = -EBADF;
	char caps[64];
	ssize_t n;

	if (copy->change->kind != LXE_CHANGE_META ||
		fgetxattr(from, "security.capability", NULL, 0) < 0)
		return 0;
	old = lxe_layer_open(copy->layer->lower, copy->change->path, O_RDONLY | O_NONBLOCK);
	n = old < 0 ? -1 : fgetxattr(old, "security.capability", caps, sizeof(caps));
	if (n < 0)
		return 0;
	return fsetxattr(to, "security.capability", caps, (size_t)n, 0) < 0 ? -errno : 0;
}

static int copy_file(const struct lxe_copy *copy)
{
	LXE_AUTOCLOSE int from = lxe_layer_open_file(copy->from, copy->from_name);
	LXE_AUTOCLOSE int to = -EBADF;
	struct stat st;
	int r;

	if (from < 0)
		return from;
	if (fstat(from, &st) < 0)
		return -errno;
	r = still_the_same(copy->change, &st);
	if (r < 0)
		return r;
	to = openat(copy->to, copy->to_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	if (to < 0)
		return -errno;
	r = lxe_copy_data(from, to, st.st_size);
	if (r == 0)
		r = finish(copy, &st, from, to);
	if (r == 0)
		r = keep_capabilities(copy, from, to);
	if (r == 0 && copy->sync && fsync(to) < 0)
		r = -errno;
	if (r == 0 && fstat(from, &st) < 0)
		r = -errno;
	return r < 0 ? r : still_the_same(copy->change, &st);
}

static int copy_symlink(const struct lxe_copy *copy, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(copy->from, copy->from_name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == EINVAL ? -EBUSY : -errno;
	target[n] = '\0';
	if (symlinkat(target, copy->to, copy->to_name) < 0 ||
		fchownat(copy->to, copy->to_name, copy->change->after.uid, copy->change->after.gid,
			AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(copy->to, copy->to_name, (struct timespec[]){ st->st_atim, st->st_mtim },
			AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* The directory that it is made in is ours alone: between two calls nobody puts another thing there. */
static int copy_fifo(const struct lxe_copy *copy, const struct stat *st)
{
	if (mkfifoat(copy->to, copy->to_name, 0600) < 0 ||
		fchownat(copy->to, copy->to_name, copy->change->after.uid, copy->change->after.gid,
			AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(copy->to, copy->to_name, copy->change->after.mode & 07777, 0) < 0 ||
		utimensat(copy->to, copy->to_name, (struct timespec[]){ st->st_atim, st->st_mtim },
			AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int lxe_copy_object(const struct lxe_copy *copy)
{
	struct stat st;
	int r;

	if (!has_owner(copy->change))
		return -EOVERFLOW;
	if (fstatat(copy->from, copy->from_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -EBUSY : -errno;
	r = still_the_same(copy->change, &st);
	if (r < 0)
		return r;
	if (S_ISREG(st.st_mode))
		r = copy_file(copy);
	else if (S_ISLNK(st.st_mode))
		r = copy_symlink(copy, &st);
	else if (S_ISFIFO(st.st_mode))
		r = copy_fifo(copy, &st);
	else
		r = -EINVAL;
	return r == -ESTALE ? -EBUSY : r;
}

int lxe_copy_dir_begin(const struct lxe_copy *copy)
{
	if (!has_owner(copy->change))
		return -EOVERFLOW;
	return mkdirat(copy->to, copy->to_name, 0700) < 0 ? -errno : 0;
}

int lxe_copy_dir_end(const struct lxe_copy *copy)
{
	LXE_AUTOCLOSE int from = openat(
		copy->from, copy->from_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	LXE_AUTOCLOSE int to =
		openat(copy->to, copy->to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (from < 0)
		return -EBUSY;
	if (to < 0 || fstat(from, &st) < 0)
		return -errno;
	return finish(copy, &st, from, to);
}
