#include "sys/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/fd.h"

#define TEXT_MAX (16 * 1024 * 1024)

void sys_mounts_release(struct sys_mounts *mounts)
{
	free(mounts->v);
	free(mounts->text);
	*mounts = (struct sys_mounts){ 0 };
}

static bool is_octal(const char *at)
{
	return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
	       at[2] <= '7';
}

/* Blanks, newlines and backslashes are written as \ooo; in place. */
static char *unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (*from == '\\' && is_octal(from + 1)) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return text;
}

static bool parse_dev(char *text, dev_t *ret)
{
	char *colon = strchr(text, ':');
	uint64_t major, minor;

	if (!colon)
		return false;
	*colon = '\0';
	if (lxe_parse_u64(text, 0, UINT32_MAX, &major) < 0 ||
		lxe_parse_u64(colon + 1, 0, UINT32_MAX, &minor) < 0)
		return false;
	*ret = makedev((unsigned int)major, (unsigned int)minor);
	return true;
}

/* "36 35 98:0 /root /point options [tags...] - type source options", proc_pid_mountinfo(5). */
static bool parse_line(char *line, struct sys_mount_row *ret)
{
	char *field[6], *rest = line;

	for (size_t i = 0; i < 6; i++)
		field[i] = strsep(&rest, " ");
	if (!field[5] || !rest || lxe_parse_u64(field[0], 0, UINT64_MAX, &ret->id) < 0 ||
		!parse_dev(field[2], &ret->dev))
		return false;
	while (rest && !lxe_starts_with(rest, "- "))
		strsep(&rest, " ");
	if (!rest)
		return false;
	rest += 2;
	ret->root = unescape(field[3]);
	ret->point = unescape(field[4]);
	ret->type = strsep(&rest, " ");
	return true;
}

int sys_mounts_parse(struct sys_mounts *ret, char *text)
{
	struct sys_mounts mounts = { .text = text };
	char *line;

	while ((line = strsep(&text, "\n"))) {
		/* Its size doubles. */
		if ((mounts.n & (mounts.n - 1)) == 0) {
			struct sys_mount_row *more = reallocarray(
				mounts.v, mounts.n ? mounts.n * 2 : 1, sizeof(*mounts.v));

			if (!more) {
				sys_mounts_release(&mounts);
				return -ENOMEM;
			}
			mounts.v = more;
		}
		mounts.n += parse_line(line, &mounts.v[mounts.n]);
	}
	*ret = mounts;
	return 0;
}

int sys_mounts_read(struct sys_mounts *ret)
{
	LXE_AUTOCLOSE int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *text;
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = sys_read_whole(fd, TEXT_MAX, &text, &len);
	return r < 0 ? r : sys_mounts_parse(ret, text);
}

int sys_mount_id(int fd, uint64_t *ret)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = stx.stx_mnt_id;
	return 0;
}

const char *sys_path_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	while (len && dir[len - 1] == '/')
		len--;
	if (strncmp(path, dir, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] == '/' && !path[len + 1] ? "" : path + len;
}

int sys_mounts_locate(const struct sys_mounts *mounts, int fd, struct sys_object *ret)
{
	const struct sys_mount_row *row = NULL;
	const char *rest;
	char path[4096];
	struct stat st;
	uint64_t id = 0;
	int r;

	r = sys_mount_id(fd, &id);
	if (r == 0)
		r = sys_fd_path(fd, path, sizeof(path));
	if (r != 0)
		return r;
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return -ENOENT;
	for (size_t i = 0; i < mounts->n && !row; i++)
		if (mounts->v[i].id == id)
			row = &mounts->v[i];
	rest = row ? sys_path_below(path, row->point) : NULL;
	if (!rest)
		return -ENOENT;
	ret->dev = row->dev;
	ret->row = row;
	r = lxe_format(ret->path, sizeof(ret->path), "%s%s",
		strcmp(row->root, "/") == 0 && *rest ? "" : row->root, rest);
	return r;
}
