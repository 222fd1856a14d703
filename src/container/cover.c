#include "container/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/dirs.h"
#include "sys/mount.h"

static int mount_empty(const char *path)
{
	if (mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0755") < 0)
		return -errno;
	return 0;
}

static int attach_again(int tree, const char *path, struct lxe_err *err)
{
	int r = lxe_dirs_make(path, err);

	if (r < 0)
		return r;
	r = sys_mount_attach(tree, AT_FDCWD, path);
	return r < 0 ? lxe_fail(err, r, "mount '%s' again", path) : 0;
}

/* What is kept is cloned before it is hidden: one frame per directory holds its clone. */
static int cover_all(const char *const *keep, size_t n, struct lxe_err *err)
{
	LXE_AUTOCLOSE int tree = -EBADF;
	int r;

	if (n == 0) {
		r = mount_empty("/run");
		return r < 0 ? lxe_fail(err, r, "cover '/run'") : 0;
	}
	if (!lxe_starts_with(keep[0], "/run/"))
		return cover_all(keep + 1, n - 1, err);
	tree = sys_mount_clone(AT_FDCWD, keep[0], true);
	if (tree == -ENOENT)
		return cover_all(keep + 1, n - 1, err);
	if (tree < 0)
		return lxe_fail(err, tree, "clone the mount of '%s'", keep[0]);
	r = cover_all(keep + 1, n - 1, err);
	return r < 0 ? r : attach_again(tree, keep[0], err);
}

int lxe_cover_run(const char *const *keep, size_t n, struct lxe_err *err)
{
	struct stat st;
	int r;

	/* In a user namespace /run is nobody's, and liblxc does not use what is not its caller's. */
	if (stat("/run", &st) == 0 && st.st_uid != 0)
		return cover_all(keep, n, err);
	r = mount_empty("/run/lxc");
	if (r == -ENOENT)
		return cover_all(keep, n, err);
	return r < 0 ? lxe_fail(err, r, "cover '/run/lxc'") : 0;
}
