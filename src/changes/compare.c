#include "changes/compare.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CHUNK (128 * 1024)

/* As many bytes as there are, up to `len`. */
static ssize_t read_full(int fd, char *buf, size_t len, off_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, at + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Where there is something at `at` or behind; `end`: nowhere. */
static off_t next_data(int fd, off_t at, off_t end)
{
	off_t data = lseek(fd, at, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? end : at;
	return data;
}

/* Of two files of `size` bytes. 1: the same bytes, 0: not. A hole in both takes no time, however large a sandbox made it. */
static int same_bytes(int a, int b, off_t size)
{
	LXE_AUTOFREE char *buf = malloc(2 * CHUNK);
	ssize_t n = CHUNK, m;

	if (!buf)
		return -ENOMEM;
	for (off_t at = 0; n == CHUNK && at < size; at += n) {
		off_t data = next_data(a, at, size), other = next_data(b, at, size);

		at = data < other ? data : other;
		n = read_full(a, buf, CHUNK, at);
		if (n < 0)
			return (int)n;
		m = read_full(b, buf + CHUNK, CHUNK, at);
		if (m < 0)
			return (int)m;
		if (n != m || memcmp(buf, buf + CHUNK, (size_t)n) != 0)
			return 0;
	}
	return 1;
}

static int same_xattrs(int lower, int upper, const struct lxe_cow_layer *layer)
{
	struct lxe_xattrs a = { 0 }, b = { 0 };
	int r;

	r = lxe_xattrs_read(&a, lower, NULL);
	if (r == 0)
		r = lxe_xattrs_read(&b, upper, &layer->ids);
	if (r == 0)
		r = lxe_xattrs_equal(&a, &b);
	lxe_xattrs_release(&a);
	lxe_xattrs_release(&b);
	return r;
}

static int compare_files(const struct lxe_pair *pair, struct lxe_change *change, bool *same)
{
	LXE_AUTOCLOSE int lower = lxe_layer_open_file(pair->lower, pair->name);
	LXE_AUTOCLOSE int upper = lxe_layer_open_file(pair->upper, pair->name);
	int r;

	if (lower < 0 || upper < 0)
		return lower < 0 ? lower : upper;
	r = same_xattrs(lower, upper, pair->layer);
	if (r < 0)
		return r;
	if (r == 0)
		change->what |= LXE_CHANGED_XATTR;
	*same = change->before.size == change->after.size;
	if (*same && change->before.size > 0) {
		r = same_bytes(lower, upper, (off_t)change->before.size);
		*same = r > 0;
	}
	return r < 0 ? r : 0;
}

static int compare_links(const struct lxe_pair *pair, bool *same)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n = readlinkat(pair->lower, pair->name, a, sizeof(a));
	ssize_t m = n < 0 ? -1 : readlinkat(pair->upper, pair->name, b, sizeof(b));

	if (n < 0 || m < 0)
		return errno == EINVAL ? -ESTALE : -errno;
	*same = n == m && memcmp(a, b, (size_t)n) == 0;
	return 0;
}

static unsigned int compare_sides(const struct lxe_change_side *a, const struct lxe_change_side *b)
{
	unsigned int what = 0;

	if (!S_ISLNK(a->mode) && (a->mode & 07777) != (b->mode & 07777))
		what |= LXE_CHANGED_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		what |= LXE_CHANGED_OWNER;
	if (!lxe_same_time(a->modified, b->modified))
		what |= LXE_CHANGED_TIME;
	return what;
}

int lxe_compare(const struct lxe_pair *pair, struct lxe_change *change)
{
	const struct lxe_change_side *a = &change->before, *b = &change->after;
	bool same = true;
	int r = 0;

	change->skipped = S_ISSOCK(b->mode) || S_ISCHR(b->mode) || S_ISBLK(b->mode);
	change->kind = !a->mode ? LXE_CHANGE_ADDED : LXE_CHANGE_DELETED;
	if (!a->mode || !b->mode)
		return 0;
	change->what = compare_sides(a, b);
	change->kind = LXE_CHANGE_TYPE;
	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		return 0;
	if (S_ISREG(a->mode))
		r = compare_files(pair, change, &same);
	else if (S_ISLNK(a->mode))
		r = compare_links(pair, &same);
	else if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		same = a->rdev == b->rdev;
	if (r < 0)
		return r;
	if (!same)
		change->kind = LXE_CHANGE_CONTENT;
	else
		change->kind = change->what ? LXE_CHANGE_META : LXE_CHANGE_NONE;
	return 0;
}

int lxe_compare_dirs(
	int lower, int upper, const struct lxe_cow_layer *layer, struct lxe_change *change)
{
	int r = same_xattrs(lower, upper, layer);

	if (r < 0)
		return r;
	change->what = compare_sides(&change->before, &change->after);
	if (r == 0)
		change->what |= LXE_CHANGED_XATTR;
	/* An owner that nobody inside has is shown there as nobody (rootfs/cow.c). */
	if (lxe_ids_up(&layer->ids, change->before.uid) == (uint32_t)-1 ||
		lxe_ids_up(&layer->ids, change->before.gid) == (uint32_t)-1)
		change->what &= ~(unsigned int)LXE_CHANGED_OWNER;
	/* Its time follows from what is in it. */
	change->kind =
		change->what & ~(unsigned int)LXE_CHANGED_TIME ? LXE_CHANGE_META : LXE_CHANGE_NONE;
	return 0;
}
