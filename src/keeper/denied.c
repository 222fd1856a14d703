#include "keeper/denied.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "keeper/keeper.h"
#include "keeper/view.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"

#define FILES LXE_VIEW_DIR "/m"

/* The path that an open one has in the keeper's view, without what leads to the sandbox's files. */
static bool read_back(char ret[PATH_MAX], int fd)
{
	char path[PATH_MAX];

	if (sys_fd_path(fd, path, sizeof(path)) < 0 || !sys_path_below(path, FILES))
		return false;
	return lxe_format(ret, PATH_MAX, "%s", path[strlen(FILES)] ? path + strlen(FILES) : "/") ==
	       0;
}

/* Where symlinks lead, as far as the sandbox's files tell; else the path as it is, cut. */
static void path_inside(char ret[PATH_MAX], const char *path)
{
	LXE_AUTOCLOSE int root = open(FILES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int fd = root < 0 ? -EBADF : sys_find_in_root(root, path, true);

	if (fd < 0 || !read_back(ret, fd))
		snprintf(ret, PATH_MAX, "%s", path);
}

static bool is_same(int root, const char *a, const char *b)
{
	LXE_AUTOCLOSE int fd_a = sys_find_in_root(root, a, true);
	LXE_AUTOCLOSE int fd_b = sys_find_in_root(root, b, true);
	struct stat of_a, of_b;

	return fd_a >= 0 && fd_b >= 0 && fstat(fd_a, &of_a) == 0 && fstat(fd_b, &of_b) == 0 &&
	       of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

/* By another path that leads there through binds, which our own view still tells: nothing is covered in it. */
static const char *denied_as(const struct lxe_keeper *k, char real[PATH_MAX])
{
	LXE_AUTOCLOSE int root = open(FILES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct lxe_strv *deny = &k->main->spec.deny;

	if (root < 0 || !k->main->spec.mounts.n)
		return NULL;
	for (char *slash; (slash = strrchr(real, '/')) && slash[1]; *slash = '\0')
		for (size_t n = 0; n < deny->n; n++)
			if (is_same(root, real, deny->v[n]))
				return deny->v[n];
	return NULL;
}

const char *lxe_denied_by(const struct lxe_keeper *k, const char *path)
{
	const struct lxe_strv *deny = &k->main->spec.deny;
	char real[PATH_MAX], real_deny[PATH_MAX];

	if (!deny->n || path[0] != '/')
		return NULL;
	path_inside(real, path);
	for (size_t i = 0; i < deny->n; i++) {
		path_inside(real_deny, deny->v[i]);
		if (sys_path_below(path, deny->v[i]) || sys_path_below(real, real_deny))
			return deny->v[i];
	}
	return denied_as(k, real);
}

const char *lxe_denied_to_us(const struct lxe_keeper *k)
{
	static const char *const ours[] = { "/proc", "/sys", "/dev" };
	const struct lxe_strv *deny = &k->main->spec.deny;
	char real[PATH_MAX];

	for (size_t i = 0; i < deny->n; i++) {
		path_inside(real, deny->v[i]);
		for (size_t n = 0; n < sizeof(ours) / sizeof(ours[0]); n++)
			if (sys_path_below(real, ours[n]))
				return deny->v[i];
	}
	return NULL;
}
