#include "rootfs/cow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "store/sandbox.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/stamp.h"
#include "sys/xattr.h"

#define ABOUT "about"
#define NEW_UPPER "n"
#define XATTRS_MAX 65536 /* of the kernel, for a list and for a value (xattr(7)) */
#define NANOSECONDS 1000000000ULL

static void layer_name(size_t index, char ret[32])
{
	snprintf(ret, 32, LXE_COW_LAYERS "/%zu", index);
}

int lxe_cow_open(int writable, size_t index)
{
	char name[32];
	int fd;

	layer_name(index, name);
	fd = openat(writable, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int about_write(int layer, const struct lxe_cow_about *about)
{
	char text[96];

	snprintf(text, sizeof(text), "%jd %ld %" PRIu64 " %" PRIu64 "\n",
		(intmax_t)about->since.tv_sec, about->since.tv_nsec, about->source, about->born);
	return lxe_sandbox_put(layer, ABOUT, text, strlen(text));
}

int lxe_cow_about_read(int layer, struct lxe_cow_about *ret)
{
	uint64_t value[4];
	char text[96], *rest = text;

	if (sys_read_file(layer, ABOUT, text, sizeof(text)) <= 0)
		return -EBADMSG;
	text[strcspn(text, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		const char *word = strsep(&rest, " ");

		if (!word || lxe_parse_u64(
				     word, 0, i == 1 ? NANOSECONDS - 1 : UINT64_MAX, &value[i]) < 0)
			return -EBADMSG;
	}
	*ret = (struct lxe_cow_about){
		.since = { .tv_sec = (time_t)value[0], .tv_nsec = (long)value[1] },
		.source = value[2],
		.born = value[3],
	};
	return 0;
}

int lxe_cow_about_source(int source, struct lxe_cow_about *ret)
{
	struct statx stx;

	if (statx(source, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &stx) < 0)
		return -errno;
	ret->source = stx.stx_ino;
	ret->born = stx.stx_mask & STATX_BTIME
			    ? (uint64_t)stx.stx_btime.tv_sec * NANOSECONDS + stx.stx_btime.tv_nsec
			    : 0;
	return 0;
}

static void say_which(const struct lxe_cow_about *about, char buf[80])
{
	time_t born = (time_t)(about->born / NANOSECONDS);
	struct tm tm;
	size_t len;

	len = (size_t)snprintf(buf, 80, "inode %" PRIu64, about->source);
	if (born && localtime_r(&born, &tm))
		strftime(buf + len, 80 - len, ", made %F %T", &tm);
}

int lxe_cow_about_check(const struct lxe_cow_about *was, const struct lxe_cow_about *now,
	const char *shown, struct lxe_err *err)
{
	char other[80], this[80];

	if (now->source == was->source && now->born == was->born)
		return 0;
	say_which(now, this);
	say_which(was, other);
	lxe_hint(err, "put the one back that it was written over, or drop what was written: "
		      "lxc-exec discard");
	return lxe_fail_msg(err, -ESTALE, "'%s' is another directory by now (%s), instead of %s",
		shown, this, other);
}

/* As far as the layer's filesystem can have them. */
static int copy_each(int from, int to, char *names, char *value)
{
	ssize_t n = flistxattr(from, names, XATTRS_MAX);

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(names + at) + 1) {
		const char *name = names + at;
		ssize_t len =
			sys_xattr_is_owners(name) ? fgetxattr(from, name, value, XATTRS_MAX) : -1;

		if (len >= 0 && fsetxattr(to, name, value, (size_t)len, 0) < 0 &&
			errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
			return -errno;
	}
	return 0;
}

static int copy_xattrs(int from, int to)
{
	char *buffers;
	int r;

	if (flistxattr(from, NULL, 0) <= 0)
		return 0;
	buffers = malloc(2 * XATTRS_MAX);
	if (!buffers)
		return -ENOMEM;
	r = copy_each(from, to, buffers, buffers + XATTRS_MAX);
	free(buffers);
	return r;
}

/* The top directory that is seen is the layer's: it has to look like the one below. */
static int copy_attributes(int from, int to, uid_t nobody)
{
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return -errno;
	/* An id that is nobody's here cannot be given to anything. */
	if (fchown(to, st.st_uid, st.st_gid) < 0 &&
		(errno != EINVAL || fchown(to, nobody, nobody) < 0))
		return -errno;
	r = copy_xattrs(from, to);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return fchmod(to, st.st_mode & 07777) < 0 || futimens(to, times) < 0 ? -errno : 0;
}

static int make_dir(int at, const char *name)
{
	return mkdirat(at, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Under another name until it is complete: whoever is killed leaves none that nothing is known of. */
static int make_upper(const struct lxe_cow *how, int layer)
{
	LXE_AUTOCLOSE int from = -EBADF;
	LXE_AUTOCLOSE int to = -EBADF;
	struct lxe_cow_about about;
	int r;

	if (faccessat(layer, LXE_COW_UPPER, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	r = errno == ENOENT ? make_dir(layer, NEW_UPPER) : -errno;
	if (r < 0)
		return r;
	from = openat(layer, "l", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to = openat(layer, NEW_UPPER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return -errno;
	/* Before anything is mounted. */
	r = sys_stamp(to, &about.since);
	if (r == 0)
		r = lxe_cow_about_source(how->source, &about);
	if (r == 0)
		r = copy_attributes(from, to, how->nobody);
	if (r == 0)
		r = about_write(layer, &about);
	if (r == 0 && renameat(layer, NEW_UPPER, layer, LXE_COW_UPPER) < 0)
		r = -errno;
	return r;
}

static int open_layer(const struct lxe_cow *how)
{
	char name[32];
	int r;

	layer_name(how->index, name);
	r = make_dir(how->writable, LXE_COW_LAYERS);
	if (r == 0)
		r = make_dir(how->writable, name);
	return r < 0 ? r : lxe_cow_open(how->writable, how->index);
}

struct option {
	const char *key;
	const char *value; /* NULL: it has none */
};

/*
 * Nothing but whole files in the layer, so that what changed is to be seen in it alone: no parts of renamed
 * directories, no data that is left below. In a user namespace overlayfs has none of these anyway.
 */
static int set_options(int fs, bool user)
{
	static const struct option layers[] = { { "source", "cow" }, { "lowerdir", "l" },
		{ "upperdir", LXE_COW_UPPER }, { "workdir", "w" } };
	static const struct option roots[] = { { "redirect_dir", "nofollow" },
		{ "metacopy", "off" }, { "index", "off" } };
	size_t n = user ? 0 : sizeof(roots) / sizeof(roots[0]);

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, layers[i].key, layers[i].value, 0) < 0)
			return -errno;
	for (size_t i = 0; i < n; i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, roots[i].key, roots[i].value, 0) < 0)
			return -errno;
	if (user && fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -errno;
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* In the layer's directory: what is told of the mount inside are these relative names. */
static int new_overlay(bool user)
{
	LXE_AUTOCLOSE int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	LXE_AUTOCLOSE int fd = -EBADF;
	struct statvfs vfs;
	int r = fs < 0 ? -errno : set_options(fs, user);

	if (r < 0)
		return r;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (fd < 0 || fstatvfs(fd, &vfs) < 0)
		return -errno;
	/* No more than a line in the kernel's log says so: the work directory could not be used. */
	return vfs.f_flag & ST_RDONLY ? -EROFS : take_fd(&fd);
}

static int mount_over(const struct lxe_cow *how, int layer)
{
	LXE_AUTOCLOSE int overlay = -EBADF;
	int r;

	if (fchdir(layer) < 0)
		return -errno;
	r = make_dir(layer, "w");
	if (r == 0)
		r = make_dir(layer, "l");
	if (r == 0)
		r = sys_mount_attach(how->lower, layer, "l");
	if (r < 0)
		return r;
	r = make_upper(how, layer);
	overlay = r < 0 ? r : new_overlay(how->user);
	/* It has a copy of its own. */
	if (umount2("l", MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && overlay >= 0)
		return -errno;
	return take_fd(&overlay);
}

static int fails(const struct lxe_cow *how, int r, struct lxe_err *err)
{
	if (r == -ELOOP)
		lxe_hint(err, "lxc-exec's own files are in it: bind the directory below it that "
			      "is worked in, or set LXC_EXEC_STATE_DIR to another place");
	else if (r == -EINVAL)
		lxe_hint(err, "overlayfs cannot lie over that file system: copy the directory");
	return lxe_fail(err, r, "lay a copy-on-write layer over '%s'", how->shown);
}

static bool looks_alike(const struct lxe_cow *how, int upper)
{
	struct stat own, below;

	if (fstat(upper, &own) < 0 || fstat(how->lower, &below) < 0)
		return false;
	return own.st_mode == below.st_mode &&
	       (own.st_uid == below.st_uid || own.st_uid == how->nobody) &&
	       (own.st_gid == below.st_gid || own.st_gid == how->nobody);
}

/* Of a layer in which nothing is nothing is lost: it is made anew. */
static bool drop_unwritten(const struct lxe_cow *how, int layer)
{
	LXE_AUTOCLOSE int upper =
		openat(layer, LXE_COW_UPPER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return upper >= 0 && looks_alike(how, upper) &&
	       unlinkat(layer, LXE_COW_UPPER, AT_REMOVEDIR) == 0;
}

/* What was written over one directory is nothing that could be seen, or committed, over another. */
static int check_source(const struct lxe_cow *how, int layer, struct lxe_err *err)
{
	struct lxe_cow_about was = { 0 }, now = { 0 };
	struct lxe_err differs = { 0 };
	int r;

	if (faccessat(layer, LXE_COW_UPPER, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fails(how, -errno, err);
	r = lxe_cow_about_read(layer, &was);
	if (r == 0)
		r = lxe_cow_about_source(how->source, &now);
	if (r < 0)
		return fails(how, r, err);
	r = lxe_cow_about_check(&was, &now, how->shown, &differs);
	if (r == 0 || drop_unwritten(how, layer))
		return 0;
	*err = differs;
	return r;
}

int lxe_cow_mount(const struct lxe_cow *how, int *layer, struct lxe_err *err)
{
	LXE_AUTOCLOSE int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int overlay = -EBADF;
	LXE_AUTOCLOSE int dir = -EBADF;
	int r;

	if (cwd < 0)
		return lxe_fail(err, -errno, "open the working directory");
	dir = open_layer(how);
	r = dir < 0 ? fails(how, dir, err) : check_source(how, dir, err);
	if (r < 0)
		return r;
	overlay = mount_over(how, dir);
	if (fchdir(cwd) < 0 && overlay >= 0)
		return lxe_fail(err, -errno, "change back to the working directory");
	if (overlay < 0)
		return fails(how, overlay, err);
	*layer = take_fd(&dir);
	return take_fd(&overlay);
}
