#include "sys/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"

#define TRIES 64 /* somebody else may take the free one first */

static int open_free(int control)
{
	char path[32];
	int number = ioctl(control, LOOP_CTL_GET_FREE), fd;

	if (number < 0)
		return -errno;
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sys_loop_attach(int file, uint32_t flags)
{
	struct loop_config config = { .fd = (unsigned int)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | flags };
	LXE_AUTOCLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		return -errno;
	for (int i = 0; i < TRIES; i++) {
		LXE_AUTOCLOSE int device = open_free(control);

		if (device < 0)
			return device;
		if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&device);
		if (errno != EBUSY)
			return -errno;
	}
	return -EBUSY;
}

static bool shows(int number, dev_t dev, ino_t ino, bool writable)
{
	struct loop_info64 info;
	LXE_AUTOCLOSE int fd = -EBADF;
	char path[32];

	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == dev &&
	       info.lo_inode == ino && (!writable || !(info.lo_flags & LO_FLAGS_READ_ONLY));
}

/* The directory is there as long as something is attached. */
static bool is_attached(int blocks, const char *name)
{
	char path[sizeof("/loop") + NAME_MAX];

	return lxe_format(path, sizeof(path), "%s/loop", name) == 0 &&
	       faccessat(blocks, path, F_OK, 0) == 0;
}

int sys_loop_find(dev_t dev, ino_t ino, bool writable)
{
	DIR *blocks = opendir("/sys/block");
	const struct dirent *e;
	int number, r = -ENOENT;

	if (!blocks)
		return -errno;
	while (r < 0 && (e = readdir(blocks)))
		if (lxe_starts_with(e->d_name, "loop") &&
			lxe_parse_int(e->d_name + strlen("loop"), 0, 1 << 20, &number) == 0 &&
			is_attached(dirfd(blocks), e->d_name) && shows(number, dev, ino, writable))
			r = number;
	closedir(blocks);
	return r;
}
