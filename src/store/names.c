#include "store/names.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/live.h"
#include "store/sandbox.h"

int lxe_name_path(const struct lxe_dirs *dirs, const char *name, char *path, size_t size)
{
	return lxe_format(path, size, "%s/names/%s", dirs->state, name);
}

/* The text of a link, if it can be an id. */
static int read_link(int dir, const char *name, char id[LXE_ID_LEN + 1])
{
	ssize_t n = readlinkat(dir, name, id, LXE_ID_LEN + 1);

	if (n < 0)
		return -errno;
	if (n != LXE_ID_LEN)
		return -EBADMSG;
	id[n] = '\0';
	return lxe_id_valid(id) ? 0 : -EBADMSG;
}

static int open_names(const struct lxe_dirs *dirs, struct lxe_err *err)
{
	char path[PATH_MAX];
	int fd, r;

	r = lxe_format(path, sizeof(path), "%s/names", dirs->state);
	if (r == 0)
		r = lxe_dirs_make(path, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? lxe_fail(err, -errno, "open directory '%s'", path) : fd;
}

/* Is there a sandbox that this name must not be taken from? */
static bool is_there(const struct lxe_dirs *dirs, const char *id)
{
	char path[PATH_MAX];

	if (lxe_sandbox_is_owned(dirs->run, id) == 1)
		return true;
	/* What is kept has a name for as long as it has a directory. */
	return lxe_format(path, sizeof(path), "%s/sandboxes/%s", dirs->state, id) == 0 &&
	       access(path, F_OK) == 0;
}

int lxe_name_take(
	const struct lxe_dirs *dirs, const char *name, const char *id, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open_names(dirs, err);
	char holder[LXE_ID_LEN + 1];

	if (dir < 0)
		return dir;
	if (flock(dir, LOCK_EX) < 0)
		return lxe_fail(err, -errno, "lock the names");
	if (symlinkat(id, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return lxe_fail(err, -errno, "take the name '%s'", name);
	if (read_link(dir, name, holder) == 0 && is_there(dirs, holder)) {
		lxe_fail_msg(err, -EEXIST, "the name '%s' is taken by sandbox %s", name, holder);
		lxe_hint(err, "choose another name, or: lxc-exec destroy %s", holder);
		return -EEXIST;
	}
	if (unlinkat(dir, name, 0) < 0 || symlinkat(id, dir, name) < 0)
		return lxe_fail(err, -errno, "take the name '%s'", name);
	return 0;
}

int lxe_name_look_up(const struct lxe_dirs *dirs, const char *name, char id[LXE_ID_LEN + 1])
{
	char path[PATH_MAX];
	int r = lxe_name_path(dirs, name, path, sizeof(path));

	return r < 0 ? r : read_link(AT_FDCWD, path, id);
}

int lxe_name_drop(const char *path, const char *id)
{
	char holder[LXE_ID_LEN + 1], parent[PATH_MAX];
	LXE_AUTOCLOSE int dir = -EBADF;
	const char *slash = strrchr(path, '/');
	int r;

	if (!slash || lxe_format(parent, sizeof(parent), "%.*s", (int)(slash - path), path) < 0)
		return -EINVAL;
	dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(dir, LOCK_EX) < 0)
		return -errno;
	r = read_link(dir, slash + 1, holder);
	if (r == -ENOENT || r == -EBADMSG || (r == 0 && strcmp(holder, id) != 0))
		return 0;
	if (r == 0 && unlinkat(dir, slash + 1, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}
