#include "keeper/masks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#define ALWAYS_THERE (MS_NOSUID | MS_NODEV | MS_NOEXEC) /* what mounts of /proc have */

/* Files are covered by /dev/null, directories by an empty one, in the way of container engines. */
enum kind { HIDDEN_FILE, HIDDEN_DIRECTORY, READ_ONLY };

static const struct mask {
	enum kind kind;
	const char *path;
} masks[] = {
	/* Addresses and contents of the kernel's memory. */
	{ HIDDEN_FILE, "/proc/kallsyms" },
	{ HIDDEN_FILE, "/proc/kcore" },
	{ HIDDEN_FILE, "/proc/iomem" },
	{ HIDDEN_FILE, "/proc/ioports" },
	{ HIDDEN_FILE, "/proc/slabinfo" },
	{ HIDDEN_FILE, "/proc/vmallocinfo" },
	{ HIDDEN_FILE, "/proc/timer_list" },
	{ HIDDEN_FILE, "/proc/timer_stats" },
	{ HIDDEN_FILE, "/proc/latency_stats" },
	{ HIDDEN_FILE, "/proc/sched_debug" },
	/* How the host was started, what belongs to it, what it is doing. */
	{ HIDDEN_FILE, "/proc/cmdline" },
	{ HIDDEN_FILE, "/proc/interrupts" },
	{ HIDDEN_FILE, "/proc/keys" },
	{ HIDDEN_FILE, "/proc/key-users" },
	{ HIDDEN_FILE, "/proc/partitions" },
	{ HIDDEN_FILE, "/proc/diskstats" },
	{ HIDDEN_DIRECTORY, "/proc/acpi" },
	{ HIDDEN_DIRECTORY, "/proc/asound" },
	{ HIDDEN_DIRECTORY, "/proc/scsi" },
	{ HIDDEN_DIRECTORY, "/sys/firmware" },
	{ HIDDEN_DIRECTORY, "/sys/devices/virtual/powercap" },
	{ HIDDEN_DIRECTORY, "/sys/block" },
	{ HIDDEN_DIRECTORY, "/sys/class/block" },
	{ HIDDEN_DIRECTORY, "/sys/dev/block" },
	{ HIDDEN_DIRECTORY, "/sys/fs/selinux" },
	/* What changes the host when it is written. */
	{ READ_ONLY, "/proc/sys" },
	{ READ_ONLY, "/proc/bus" },
	{ READ_ONLY, "/proc/fs" },
	{ READ_ONLY, "/proc/irq" },
	{ READ_ONLY, "/proc/sysrq-trigger" },
};

#define MASKS (sizeof(masks) / sizeof(masks[0]))

/* With the mounts below it: liblxc has put a boot_id of the sandbox's own there. */
static int make_read_only(const char *path)
{
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) < 0 ||
		mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | ALWAYS_THERE, NULL) < 0)
		return -errno;
	return 0;
}

/* One empty directory covers all of them: *empty is where it is mounted first. */
static int hide_directory(const char *path, const char **empty)
{
	int r;

	if (*empty)
		r = mount(*empty, path, NULL, MS_BIND, NULL);
	else
		r = mount("lxe", path, "tmpfs", MS_RDONLY | ALWAYS_THERE,
			"size=4k,mode=755,uid=0,gid=0");
	if (r < 0)
		return -errno;
	if (!*empty)
		*empty = path;
	return 0;
}

static int cover(const struct mask *m, const char **empty)
{
	switch (m->kind) {
	case HIDDEN_FILE:
		return mount("/dev/null", m->path, NULL, MS_BIND, NULL) < 0 ? -errno : 0;
	case HIDDEN_DIRECTORY:
		return hide_directory(m->path, empty);
	case READ_ONLY:
		return make_read_only(m->path);
	}
	return -EINVAL;
}

int lxe_masks_child(void)
{
	const char *empty = NULL;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < MASKS; i++) {
		int r = cover(&masks[i], &empty);

		/* What this kernel does not have needs no cover. */
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static bool is_covered(const struct mask *m)
{
	struct statfs fs;
	struct stat st;

	switch (m->kind) {
	case HIDDEN_FILE:
		return stat(m->path, &st) == 0 && S_ISCHR(st.st_mode) &&
		       st.st_rdev == makedev(1, 3);
	case HIDDEN_DIRECTORY:
		return statfs(m->path, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
		       (fs.f_flags & ST_RDONLY);
	case READ_ONLY:
		return statfs(m->path, &fs) == 0 && (fs.f_flags & ST_RDONLY);
	}
	return false;
}

int lxe_masks_check_child(void)
{
	struct stat st;

	for (size_t i = 0; i < MASKS; i++)
		if (!is_covered(&masks[i]) && (lstat(masks[i].path, &st) == 0 || errno != ENOENT))
			return -EPERM;
	return 0;
}
