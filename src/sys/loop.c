#include "sys/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"

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

int sys_loop_attach(int file)
{
	struct loop_config config = { .fd = (unsigned int)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR };
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
