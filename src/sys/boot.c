#include "sys/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sys/fd.h"

int sys_boot_id(char boot[SYS_BOOT_ID_LEN + 1])
{
	char line[SYS_BOOT_ID_LEN + 8];
	ssize_t n = sys_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", line, sizeof(line));

	if (n < SYS_BOOT_ID_LEN)
		return n < 0 ? (int)n : -EBADMSG;
	memcpy(boot, line, SYS_BOOT_ID_LEN);
	boot[SYS_BOOT_ID_LEN] = '\0';
	return 0;
}
