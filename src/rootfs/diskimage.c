#include "rootfs/diskimage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rootfs/diskholder.h"
#include "rootfs/diskkind.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/loop.h"
#include "sys/mount.h"
#include "sys/proc.h"

/* A sandbox that has ended lets go of its mounts a moment after it has said so. */
#define LIVING_MS 300
#define ENDING_MS 3000
#define LOOK_MS 10
#define SECTOR 512

static int refuse(const struct lxe_mount *m, int r, const char *what, struct lxe_err *err)
{
	return lxe_fail_msg(err, r, "disk '%s': %s", m->src, what);
}

int lxe_diskimage_check(const struct lxe_mount *m, mode_t mode, struct lxe_err *err)
{
	if (S_ISBLK(mode)) {
		lxe_hint(err, "mount it on the host, and show that by --bind");
		return refuse(
			m, -EINVAL, "it is a device, and not a file with a file system in it", err);
	}
	if (!S_ISREG(mode)) {
		lxe_hint(err, "--bind shows a directory of the host");
		return refuse(m, -EINVAL, "it is no regular file", err);
	}
	return 0;
}

static int refuse_rootless(const struct lxe_mount *m, struct lxe_err *err)
{
	lxe_rule(err, "only the host's root may mount a disk image");
	lxe_hint(err, "run as root, or unpack the image into a directory and show that by --bind");
	return refuse(m, -EPERM, "the kernel mounts disk images for root only", err);
}

/* Again by its descriptor: what was looked at is what is mounted. */
static int reopen(const struct lxe_diskimage *image, bool writable, struct lxe_err *err)
{
	int fd = sys_reopen(image->found, writable ? O_RDWR : O_RDONLY);

	if (fd >= 0)
		return fd;
	if (writable)
		lxe_hint(err, "--disk %s:%s:ro needs no more than to read it", image->m->src,
			image->m->dst);
	return lxe_fail(err, fd, "disk '%s': open it", image->m->src);
}

static void describe_kind(
	const struct lxe_mount *m, const struct lxe_diskkind *kind, struct lxe_err *err)
{
	lxe_hint(err, "mkfs.ext4, mksquashfs and mkfs.erofs make images that can be used");
	lxe_fail_msg(err, -EINVAL, "disk '%s': it is no ext4, squashfs or erofs image: it holds %s",
		m->src, kind->what);
}

static int look(
	const struct lxe_diskimage *image, int file, struct lxe_diskkind *ret, struct lxe_err *err)
{
	LXE_AUTOFREE unsigned char *head = malloc(LXE_DISK_HEAD);
	const struct lxe_mount *m = image->m;
	ssize_t n = head ? pread(file, head, LXE_DISK_HEAD, 0) : -1;

	if (n < 0)
		return lxe_fail(err, head ? -errno : -ENOMEM, "disk '%s': read it", m->src);
	*ret = lxe_diskkind_of(head, (size_t)n);
	if (!ret->type) {
		describe_kind(m, ret, err);
		return -EINVAL;
	}
	if (ret->read_only && m->rw) {
		lxe_hint(err, "--disk %s:%s:ro", m->src, m->dst);
		return lxe_fail_msg(err, -EROFS,
			"disk '%s': what it holds, %s, cannot be written to", m->src, ret->type);
	}
	return 0;
}

/* Reading it with half of what its journal says would show what never was. */
static int check_journal(
	const struct lxe_mount *m, const struct lxe_diskkind *kind, struct lxe_err *err)
{
	if (!m->ro || !kind->unclean)
		return 0;
	lxe_hint(err, "lxc-exec run --disk %s:%s:rw -- true replays it", m->src, m->dst);
	return refuse(m, -EUCLEAN,
		"it was not unmounted, and read-only its journal cannot be replayed", err);
}

static int refuse_held(
	const struct lxe_diskimage *image, const struct lxe_diskholder *holder, struct lxe_err *err)
{
	const struct lxe_mount *m = image->m;

	if (holder->ourselves)
		lxe_hint(err, "one place inside is enough for it, or use :ro in both");
	else if (holder->id[0])
		lxe_hint(err, "end it first (lxc-exec stop %s), or use :ro in both",
			holder->name[0] ? holder->name : holder->id);
	else
		lxe_hint(err, "flock(2) holds it; /proc/locks lists who does");
	return lxe_fail_msg(err, -EBUSY, "disk '%s': it is in use %s by %s", m->src,
		holder->writes ? "for writing" : "for reading", holder->text);
}

static int lock(const struct lxe_diskimage *image, int file, const struct stat *st, bool writable,
	struct lxe_err *err)
{
	uint64_t begun = sys_now_ms(), waited = 0;
	struct lxe_diskholder holder = { 0 };

	while (flock(file, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return lxe_fail(err, -errno, "disk '%s': lock it", image->m->src);
		lxe_diskholder_find(&holder, image->at->dev, st->st_ino, image->directories,
			image->n_directories);
		if (holder.ourselves || waited >= (holder.lives ? LIVING_MS : ENDING_MS))
			return refuse_held(image, &holder, err);
		poll(NULL, 0, LOOK_MS);
		waited = sys_now_ms() - begun;
	}
	return 0;
}

/* A mount of the host's own does not ask for locks. */
static int check_loops(
	const struct lxe_mount *m, const struct stat *st, bool writable, struct lxe_err *err)
{
	int number = sys_loop_find(st->st_dev, st->st_ino, !writable);

	if (number < 0)
		return 0;
	lxe_hint(err, "umount it and losetup -d /dev/loop%d%s", number,
		writable ? ", or use :ro if that is read-only" : "");
	return lxe_fail_msg(
		err, -EBUSY, "disk '%s': the host uses it as /dev/loop%d", m->src, number);
}

static int refuse_mount(const struct lxe_mount *m, const char *type, int r, struct lxe_err *err)
{
	if (r == -ENODEV) {
		lxe_hint(err, "modprobe %s, if the kernel has it", type);
		return lxe_fail_msg(err, r, "disk '%s': this kernel cannot mount %s", m->src, type);
	}
	lxe_hint(err, "it may be damaged: look with %s; dmesg has the kernel's words",
		strcmp(type, "ext4") == 0    ? "e2fsck -fn"
		: strcmp(type, "erofs") == 0 ? "fsck.erofs"
					     : "unsquashfs -s");
	return lxe_fail(err, r, "disk '%s': mount its %s", m->src, type);
}

/* The image's own superblock may say that an error is to stop the host: errors=panic. */
static int configure(int fs, const char *source, const char *type, bool writable)
{
	bool ext4 = strcmp(type, "ext4") == 0;

	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
		(!writable && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) ||
		(ext4 && fsconfig(fs, FSCONFIG_SET_STRING, "errors",
				 writable ? "remount-ro" : "continue", 0) < 0) ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int mount_device(int device, const char *type, bool writable)
{
	LXE_AUTOCLOSE int fs = fsopen(type, FSOPEN_CLOEXEC);
	char source[64];
	int fd, r;

	if (fs < 0)
		return -errno;
	/* What mountinfo shows: the device's name, and not that of our descriptor. */
	r = sys_fd_path(device, source, sizeof(source));
	if (r == 0)
		r = configure(fs, source, type, writable);
	if (r < 0)
		return r;
	fd = fsmount(fs, FSMOUNT_CLOEXEC,
		MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY));
	return fd < 0 ? -errno : fd;
}

static int mount_file(
	const struct lxe_mount *m, int file, const char *type, bool writable, struct lxe_err *err)
{
	/* What is written would be in memory twice. */
	LXE_AUTOCLOSE int device =
		sys_loop_attach(file, writable ? LO_FLAGS_DIRECT_IO : LO_FLAGS_READ_ONLY);
	int r = device;

	if (r < 0) {
		lxe_hint(err,
			"modprobe loop; in a container of another kind, give it /dev/loop-control");
		return lxe_fail(err, r, "disk '%s': attach it to a loop device", m->src);
	}
	r = mount_device(device, type, writable);
	return r < 0 ? refuse_mount(m, type, r, err) : r;
}

static int check_size(const struct lxe_mount *m, const struct stat *st, struct lxe_err *err)
{
	if (st->st_size % SECTOR == 0)
		return 0;
	lxe_hint(err, "truncate -s %%%d %s makes it whole", SECTOR, m->src);
	return refuse(m, -EINVAL,
		"its size is no multiple of 512 bytes, and its end would be cut off", err);
}

int lxe_diskimage_mount(const struct lxe_diskimage *image, struct lxe_err *err)
{
	LXE_AUTOCLOSE int reading = -EBADF, writing = -EBADF;
	const struct lxe_mount *m = image->m;
	struct lxe_diskkind kind = { 0 };
	bool writable;
	struct stat st;
	int r;

	if (fstat(image->found, &st) < 0)
		return lxe_fail(err, -errno, "disk '%s'", m->src);
	if (lxe_is_rootless())
		return refuse_rootless(m, err);
	r = reading = reopen(image, false, err);
	if (r >= 0)
		r = look(image, reading, &kind, err);
	if (r == 0)
		r = check_size(m, &st, err);
	if (r < 0)
		return r;
	writable = !m->ro && !kind.read_only;
	if (writable)
		r = writing = reopen(image, true, err);
	if (r >= 0)
		r = lock(image, writable ? writing : reading, &st, writable, err);
	/* Only now nobody is changing it. */
	if (r == 0)
		r = look(image, reading, &kind, err);
	if (r == 0)
		r = check_journal(m, &kind, err);
	if (r == 0)
		r = check_loops(m, &st, writable, err);
	return r < 0 || !kind.type
		       ? r
		       : mount_file(m, writable ? writing : reading, kind.type, writable, err);
}
