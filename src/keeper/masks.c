#include "keeper/masks.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "container/init/masks.h"
#include "sys/fd.h"

static bool is_covered(const struct lxe_mask *m)
{
	struct statfs fs;
	struct stat st;

	switch (m->kind) {
	case LXE_HIDDEN_FILE:
		return stat(m->path, &st) == 0 && S_ISCHR(st.st_mode) &&
		       st.st_rdev == makedev(1, 3);
	case LXE_HIDDEN_DIRECTORY:
		return statfs(m->path, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
		       (fs.f_flags & ST_RDONLY);
	case LXE_READ_ONLY:
		return statfs(m->path, &fs) == 0 && (fs.f_flags & ST_RDONLY);
	}
	return false;
}

int lxe_masks_await_child(int covered)
{
	unsigned char error;
	ssize_t n = sys_read(covered, &error, 1);

	if (n < 0)
		return (int)n;
	return n == 1 ? -error : -EPIPE;
}

int lxe_masks_check_child(void)
{
	struct stat st;

	for (size_t i = 0; i < LXE_MASKS; i++) {
		if (is_covered(&lxe_masks[i]))
			continue;
		if (lstat(lxe_masks[i].path, &st) == 0)
			return -EPERM;
		if (errno != ENOENT)
			return -errno;
	}
	return 0;
}
