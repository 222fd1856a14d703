#include "network/sysctl.h"

#include <errno.h>
#include <fcntl.h>

#include "sys/fd.h"

int lxe_sysctl_read(const char *path)
{
	char text[8];
	int r = (int)sys_read_file(AT_FDCWD, path, text, sizeof(text));

	return r < 0 ? r : r == 0 ? -EIO : text[0];
}

int lxe_sysctl_set(const char *path, int value)
{
	const char text[2] = { (char)value, '\0' };
	int now = lxe_sysctl_read(path);

	if (now < 0 || now == value)
		return now < 0 ? now : 0;
	return sys_write_file(AT_FDCWD, path, text);
}
