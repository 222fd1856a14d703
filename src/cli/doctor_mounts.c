#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/doctor.h"
#include "cli/doctor_probe.h"
#include "rootfs/rootfs.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/userns.h"

#define MODULES_FILE_MAX (8 * 1024 * 1024)

static bool knows_filesystem(const char *name)
{
	char text[8192], line[64];

	if (sys_read_file(AT_FDCWD, "/proc/filesystems", text, sizeof(text)) < 0)
		return false;
	snprintf(line, sizeof(line), "\t%s\n", name);
	return strstr(text, line) != NULL;
}

/* See modules.dep(5): mount(2) as root loads it. */
static bool has_module(const char *file)
{
	LXE_AUTOFREE char *text = NULL;
	LXE_AUTOCLOSE int fd = -EBADF;
	struct utsname name;
	char path[256];
	size_t len;

	if (uname(&name) < 0)
		return false;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", name.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || sys_read_whole(fd, MODULES_FILE_MAX, &text, &len) < 0)
		return false;
	return strstr(text, file) != NULL;
}

static void check_overlay(struct lxe_doctor *d)
{
	struct lxe_check *c;

	if (knows_filesystem("overlay")) {
		lxe_doctor_add(d, "overlayfs", LXE_HEALTH_OK, "available");
	} else if (has_module("/overlay.ko")) {
		lxe_doctor_add(d, "overlayfs", LXE_HEALTH_OK,
			"a module that is loaded when it is first used");
	} else {
		c = lxe_doctor_add(d, "overlayfs", LXE_HEALTH_FAIL,
			"this kernel has neither overlayfs nor a module of it");
		lxe_check_remedy(c, "modprobe overlay, or boot a kernel with CONFIG_OVERLAY_FS");
	}
}

int lxe_probe_idmap(const char *path)
{
	LXE_AUTOCLOSE int tree = -EBADF, userns = -EBADF;
	struct lxe_idmap map;
	int r;

	r = lxe_idmap_pick(&map, LXE_SUBUID_FILE, "000000000000", NULL);
	if (r < 0)
		return r;
	userns = sys_userns_mapped(map.host_start, map.count);
	if (userns < 0)
		return userns;
	tree = sys_mount_clone(AT_FDCWD, path, false);
	if (tree < 0)
		return tree;
	return sys_mount_change(tree, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, userns);
}

void lxe_probe_filesystem(const char *path, char *buf, unsigned int size)
{
	LXE_AUTOCLOSE int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 || sys_filesystem_name(fd, buf, size) < 0)
		snprintf(buf, size, "unknown");
}

bool lxe_probe_blames_filesystem(int r)
{
	return r == -EINVAL || r == -EOPNOTSUPP;
}

static void check_idmap(struct lxe_doctor *d)
{
	struct lxe_check *c;
	char type[64], why[64];
	int r;

	lxe_probe_filesystem("/usr", type, sizeof(type));
	r = d->root ? lxe_probe_idmap("/usr") : -EPERM;
	if (r == 0) {
		lxe_doctor_add(d, "idmapped mounts", LXE_HEALTH_OK, "of /usr (%s)", type);
	} else if (!d->root) {
		lxe_doctor_add(d, "idmapped mounts", LXE_HEALTH_UNKNOWN,
			"of /usr (%s): needs root to look", type);
	} else if (lxe_probe_blames_filesystem(r)) {
		c = lxe_doctor_add(d, "idmapped mounts", LXE_HEALTH_WARN,
			"/usr (%s) cannot be mounted with shifted owners, so the image 'host' "
			"cannot be used",
			type);
		lxe_check_remedy(c, "lxc-exec image build busybox, then use --image busybox");
	} else {
		lxe_doctor_add(d, "idmapped mounts", LXE_HEALTH_UNKNOWN,
			"of /usr (%s): could not be tried: %s", type,
			lxe_reason(r, why, sizeof(why)));
	}
}

/* A sandbox has a devpts of its own; the host's is what we fall back to. */
static void check_devpts(struct lxe_doctor *d)
{
	struct lxe_check *c;
	struct statfs fs;
	struct stat st;

	if (!knows_filesystem("devpts")) {
		c = lxe_doctor_add(d, "devpts", LXE_HEALTH_FAIL, "this kernel has no devpts");
		lxe_check_remedy(c, "boot a kernel with CONFIG_UNIX98_PTYS=y");
	} else if (statfs("/dev/pts", &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC) {
		c = lxe_doctor_add(d, "devpts", LXE_HEALTH_WARN, "/dev/pts is no devpts");
		lxe_check_remedy(
			c, "mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts");
	} else if (stat("/dev/ptmx", &st) < 0 || !S_ISCHR(st.st_mode) ||
		   st.st_rdev != makedev(5, 2)) {
		c = lxe_doctor_add(
			d, "devpts", LXE_HEALTH_WARN, "/dev/ptmx is not the pty multiplexer");
		lxe_check_remedy(c, "ln -sfn pts/ptmx /dev/ptmx");
	} else {
		lxe_doctor_add(d, "devpts", LXE_HEALTH_OK, "/dev/ptmx and /dev/pts");
	}
}

void lxe_doctor_mounts(struct lxe_doctor *d)
{
	check_overlay(d);
	check_idmap(d);
	check_devpts(d);
}
