#include "keeper/denied.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "keeper/keeper.h"
#include "keeper/view.h"
#include "sys/mount.h"

#define FILES LXE_VIEW_DIR "/m"

/* The path that an open one has in the keeper's view, without what leads to the sandbox's files. */
static bool read_back(char ret[PATH_MAX], int fd)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	if (!lxe_path_is_in(path, FILES))
		return false;
	return lxe_format(ret, PATH_MAX, "%s", path[strlen(FILES)] ? path + strlen(FILES) : "/") ==
	       0;
}

void lxe_path_inside(char ret[PATH_MAX], const char *path)
{
	LXE_AUTOCLOSE int root = open(FILES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	LXE_AUTOCLOSE int fd = root < 0 ? -EBADF : sys_find_in_root(root, path, true);

	if (fd < 0 || !read_back(ret, fd))
		snprintf(ret, PATH_MAX, "%s", path);
}

bool lxe_path_is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		len--;
	return strncmp(path, dir, len) == 0 && (!path[len] || path[len] == '/');
}

const char *lxe_denied_by(const struct lxe_keeper *k, const char *path)
{
	const struct lxe_strv *deny = &k->main->spec.deny;
	char real[PATH_MAX], real_deny[PATH_MAX];

	if (!deny->n || path[0] != '/')
		return NULL;
	lxe_path_inside(real, path);
	for (size_t i = 0; i < deny->n; i++) {
		lxe_path_inside(real_deny, deny->v[i]);
		if (lxe_path_is_in(path, deny->v[i]) || lxe_path_is_in(real, real_deny))
			return deny->v[i];
	}
	return NULL;
}

const char *lxe_denied_to_us(const struct lxe_keeper *k)
{
	static const char *const ours[] = { "/proc", "/sys", "/dev" };
	const struct lxe_strv *deny = &k->main->spec.deny;
	char real[PATH_MAX];

	for (size_t i = 0; i < deny->n; i++) {
		lxe_path_inside(real, deny->v[i]);
		for (size_t n = 0; n < sizeof(ours) / sizeof(ours[0]); n++)
			if (lxe_path_is_in(real, ours[n]))
				return deny->v[i];
	}
	return NULL;
}
