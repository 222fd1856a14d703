#include "network/conf6.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "sys/fd.h"

#define PATH_SIZE 96

static void path_of(char path[PATH_SIZE], const char *device, const char *what)
{
	snprintf(path, PATH_SIZE, "/proc/sys/net/ipv6/conf/%s/%s", device, what);
}

int lxe_conf6_read(const char *device, const char *what)
{
	char path[PATH_SIZE], now[8];
	int r;

	path_of(path, device, what);
	r = (int)sys_read_file(AT_FDCWD, path, now, sizeof(now));
	return r < 0 ? r : r == 0 ? -EIO : now[0];
}

int lxe_conf6_change(const char *device, const char *what, int now, int value)
{
	const char text[2] = { (char)value, '\0' };
	char path[PATH_SIZE];

	if (now < 0 || now == value)
		return now < 0 ? now : 0;
	path_of(path, device, what);
	return sys_write_file(AT_FDCWD, path, text);
}

int lxe_conf6_set(const char *device, const char *what, int value)
{
	return lxe_conf6_change(device, what, lxe_conf6_read(device, what), value);
}
