#include "keeper/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static int open_namespaces(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Two names of one namespace lead to one inode (namespaces(7)). */
static int is_same(int a, int b, const char *name)
{
	struct stat of_a, of_b;

	if (fstatat(a, name, &of_a, 0) < 0 || fstatat(b, name, &of_b, 0) < 0)
		return -errno;
	return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int lxe_verify_namespaces(pid_t pid, struct lxe_err *err)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
	LXE_AUTOCLOSE int ours = open_namespaces(getpid()), its = open_namespaces(pid);

	if (ours < 0 || its < 0)
		return lxe_fail(err, ours < 0 ? ours : its, "look at the command's namespaces");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = is_same(ours, its, names[i]);

		/* The links of a process end with it. */
		if (r == -ENOENT || r == -ESRCH)
			return lxe_fail_msg(err, r, "park the command: its process died");
		if (r < 0)
			return lxe_fail(err, r, "look at the command's %s namespace", names[i]);
		if (r > 0)
			return lxe_fail_msg(err, -EPERM,
				"enter the container: liblxc left out its %s namespace", names[i]);
	}
	return 0;
}
