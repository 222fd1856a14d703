#include "changes/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/mount.h"

int lxe_layer_open(int root, const char *path, int flags)
{
	return sys_openat2(root, path, flags | O_NOFOLLOW,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

DIR *lxe_layer_read_dir(int root, const char *path, int *r)
{
	return sys_dir_read(lxe_layer_open(root, path, O_RDONLY | O_DIRECTORY), r);
}

int lxe_layer_parent(int root, const char *path, const char **base)
{
	char dir[LXE_CHANGES_PATH_MAX + 256];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	*base = slash ? slash + 1 : path;
	if (!slash)
		return lxe_layer_open(root, ".", O_PATH | O_DIRECTORY);
	memcpy(dir, path, len);
	dir[len] = '\0';
	return lxe_layer_open(root, dir, O_PATH | O_DIRECTORY);
}

int lxe_layer_stat(int root, const char *path, struct stat *ret)
{
	const char *base;
	LXE_AUTOCLOSE int at = lxe_layer_parent(root, path, &base);

	if (at < 0)
		return at;
	if (strcmp(base, ".") == 0)
		base = "";
	return fstatat(at, base, ret, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int lxe_layer_open_file(int at, const char *name)
{
	LXE_AUTOCLOSE int fd =
		openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -ESTALE;
}

static uint32_t shift(uint32_t id, uint32_t from, uint32_t to, uint32_t count)
{
	if (count == 0)
		return id;
	return id >= from && id - from < count ? id - from + to : (uint32_t)-1;
}

uint32_t lxe_ids_down(const struct lxe_cow_ids *ids, uint32_t upper)
{
	return shift(upper, ids->from, ids->to, ids->count);
}

uint32_t lxe_ids_up(const struct lxe_cow_ids *ids, uint32_t lower)
{
	return shift(lower, ids->to, ids->from, ids->count);
}

void lxe_side_set(struct lxe_change_side *ret, const struct stat *st, const struct lxe_cow_ids *ids)
{
	*ret = (struct lxe_change_side){
		.mode = st->st_mode,
		.uid = ids ? lxe_ids_down(ids, st->st_uid) : st->st_uid,
		.gid = ids ? lxe_ids_down(ids, st->st_gid) : st->st_gid,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.rdev = st->st_rdev,
		.modified = st->st_mtim,
		.changed = st->st_ctim,
		.nlink = st->st_nlink,
	};
}

bool lxe_path_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (strcmp(dir, ".") == 0)
		return true;
	return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* "." is the root itself and comes first; '/' before every other byte keeps a tree together. */
int lxe_path_compare(const char *a, const char *b)
{
	unsigned int x, y;

	if (strcmp(a, ".") == 0 || strcmp(b, ".") == 0)
		return (strcmp(a, ".") != 0) - (strcmp(b, ".") != 0);
	while (*a && *a == *b)
		a++, b++;
	x = *a == '/' ? 1 : (*a ? (unsigned char)*a + 1U : 0);
	y = *b == '/' ? 1 : (*b ? (unsigned char)*b + 1U : 0);
	return (x > y) - (x < y);
}
