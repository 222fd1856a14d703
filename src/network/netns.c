#include "network/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"

#define OWN "/proc/thread-self/ns/net"
/* The inode of the first pid namespace of a machine (the kernel's include/linux/proc_ns.h). */
#define FIRST_PIDNS 0xEFFFFFFCU

uint64_t lxe_netns_inode(void)
{
	struct stat st;

	return stat(OWN, &st) == 0 ? st.st_ino : 0;
}

/* The one that the file stands for, if it is the right one. */
static int enter_by(const char *path, uint64_t inode)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != inode)
		return -ENOENT;
	/* A file of another file system may have that number as well. */
	return setns(fd, CLONE_NEWNET) < 0 ? -ENOENT : 0;
}

static int enter_below(const char *directory, const char *suffix, uint64_t inode)
{
	const struct dirent *entry;
	DIR *dir = opendir(directory);
	char path[320];
	int r = -ENOENT;

	if (!dir)
		return -ENOENT;
	while (r < 0 && (entry = readdir(dir)))
		if (lxe_format(path, sizeof(path), "%s/%s%s", directory, entry->d_name, suffix) ==
			0)
			r = enter_by(path, inode);
	closedir(dir);
	return r;
}

/* As /proc has it, which may be of another one than our own. */
static bool sees_all_processes(void)
{
	struct stat st;

	return stat("/proc/1/ns/pid", &st) == 0 && st.st_ino == FIRST_PIDNS;
}

int lxe_netns_enter(uint64_t inode)
{
	int r;

	if (inode == 0 || inode == lxe_netns_inode())
		return 0;
	r = enter_below("/run/netns", "", inode);
	if (r < 0)
		r = enter_below("/proc", "/ns/net", inode);
	return r < 0 && !sees_all_processes() ? -EXDEV : r;
}
