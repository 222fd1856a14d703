#include "network/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/netns.h"
#include "store/dirs.h"

int lxe_net_shared_dir(const char *run, struct lxe_err *err)
{
	char path[PATH_MAX];
	int r = lxe_format(path, sizeof(path), "%s/network", run), fd;

	if (r == 0)
		r = lxe_dirs_make(path, err);
	if (r < 0)
		return lxe_fail(err, r, "open '%s/network'", run);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? lxe_fail(err, -errno, "open '%s'", path) : fd;
}

int lxe_net_shared_name(char buf[LXE_NET_SHARED_NAME], const char *what)
{
	uint64_t inode = lxe_netns_inode();

	return inode ? lxe_format(
			       buf, LXE_NET_SHARED_NAME, "%llu.%s", (unsigned long long)inode, what)
		     : -ENOENT;
}

int lxe_net_shared_open(const char *run, const char *what, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_net_shared_dir(run, err);
	char name[LXE_NET_SHARED_NAME];
	int r, fd;

	if (dir < 0)
		return dir;
	r = lxe_net_shared_name(name, what);
	if (r < 0)
		return lxe_fail(err, r, "look at the network namespace");
	fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? lxe_fail(err, -errno, "open '%s/network/%s'", run, name) : fd;
}
