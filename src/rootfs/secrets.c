#include "rootfs/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "policy/secret.h"
#include "sys/fd.h"
#include "sys/mount.h"

/* An empty tmpfs that is nowhere yet; not swapped where the kernel knows how (Linux 6.4). */
static int new_tmpfs(void)
{
	LXE_AUTOCLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0)
		return -errno;
	fsconfig(fs, FSCONFIG_SET_FLAG, "noswap", NULL, 0);
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

static int put_file(int dir, const struct lxe_secret *secret, uid_t uid, gid_t gid)
{
	LXE_AUTOCLOSE int fd = openat(
		dir, secret->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0400);
	int r;

	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, secret->value, secret->size);
	if (r == 0 && (fchmod(fd, 0400) < 0 || fchown(fd, uid, gid) < 0))
		r = -errno;
	return r;
}

static int put_files(int dir, const unsigned char *bytes, size_t len, uid_t uid, gid_t gid)
{
	struct lxe_secret secret;
	long n;
	int r = 0;

	while (r == 0 && (n = lxe_secret_next(&secret, bytes, len)) != 0) {
		r = n < 0 ? (int)n : put_file(dir, &secret, uid, gid);
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return r;
}

static int unpack(int dir, int memfd, uid_t uid, gid_t gid)
{
	int seals = fcntl(memfd, F_GET_SEALS), r;
	unsigned char *bytes;
	struct stat st;

	if (fstat(memfd, &st) < 0 || seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size <= 0)
		return -EBADMSG;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	madvise(bytes, (size_t)st.st_size, MADV_DONTDUMP);
	r = put_files(dir, bytes, (size_t)st.st_size, uid, gid);
	explicit_bzero(bytes, (size_t)st.st_size);
	munmap(bytes, (size_t)st.st_size);
	return r;
}

/* The image is not trusted: what leads elsewhere is no mount point. */
static int make_mount_point(int rootfs, uid_t root)
{
	static const char *const names[] = { "run", LXE_SECRETS_DIR };
	LXE_AUTOCLOSE int parent = -EBADF;
	int fd = -EBADF;

	for (size_t i = 0; i < 2; i++) {
		fd = sys_open_beneath(rootfs, names[i]);
		if (fd == -ENOENT) {
			int at = i == 0 ? rootfs : parent;
			const char *name = i == 0 ? "run" : "secrets";

			if (mkdirat(at, name, 0755) < 0 || fchmodat(at, name, 0755, 0) < 0 ||
				fchownat(at, name, root, root, AT_SYMLINK_NOFOLLOW) < 0)
				return -errno;
			fd = sys_open_beneath(rootfs, names[i]);
		}
		if (fd < 0)
			return fd;
		if (i == 0)
			parent = fd;
	}
	return fd;
}

int lxe_secrets_mount(
	const char *rootfs, int memfd, uid_t root, uid_t uid, gid_t gid, struct lxe_err *err)
{
	LXE_AUTOCLOSE int top = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int target = -EBADF, tmpfs = -EBADF;
	int r;

	if (top < 0)
		return lxe_fail(err, -errno, "open '%s'", rootfs);
	target = make_mount_point(top, root);
	if (target < 0)
		return lxe_fail(err, target, "make the mount point '/" LXE_SECRETS_DIR "'");
	tmpfs = new_tmpfs();
	r = tmpfs < 0 ? tmpfs : unpack(tmpfs, memfd, uid, gid);
	if (r == 0 && fchownat(tmpfs, "", root, root, AT_EMPTY_PATH) < 0)
		r = -errno;
	if (r == 0)
		r = sys_mount_change(tmpfs, false, MOUNT_ATTR_RDONLY, -EBADF);
	if (r == 0)
		r = sys_mount_attach(tmpfs, target, "");
	return r < 0 ? lxe_fail(err, r, "put the secrets into '/" LXE_SECRETS_DIR "'") : 0;
}
