#include "changes/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"

#define RECORD_MAX (1024UL * 1024 * 1024)
#define COARSE_S 2

/* Before the bytes of the path. Read by the program that has written it, on this machine. */
struct head {
	uint32_t kind, len;
	uint64_t ino;
	int64_t sec, nsec;
};

static int by_path_and_age(const void *a, const void *b)
{
	const struct lxe_record_entry *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static int by_inode_and_age(const void *a, const void *b)
{
	const struct lxe_record_entry *x = *(struct lxe_record_entry *const *)a;
	const struct lxe_record_entry *y = *(struct lxe_record_entry *const *)b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static int sort(struct lxe_record *rec)
{
	if (rec->n == 0)
		return 0;
	rec->by_inode = malloc(rec->n * sizeof(struct lxe_record_entry *));
	if (!rec->by_inode)
		return -ENOMEM;
	qsort(rec->v, rec->n, sizeof(*rec->v), by_path_and_age);
	for (size_t i = 0; i < rec->n; i++)
		rec->by_inode[i] = &rec->v[i];
	qsort(rec->by_inode, rec->n, sizeof(struct lxe_record_entry *), by_inode_and_age);
	return 0;
}

static int add(struct lxe_record *rec, const struct head *h, const char *path)
{
	struct lxe_record_entry *e;

	if ((rec->n & (rec->n - 1)) == 0) {
		size_t room = rec->n ? 2 * rec->n : 1;

		e = realloc(rec->v, room * sizeof(*e));
		if (!e)
			return -ENOMEM;
		rec->v = e;
	}
	e = &rec->v[rec->n];
	*e = (struct lxe_record_entry){
		.kind = (enum lxe_record_kind)h->kind,
		.path = strndup(path, h->len),
		.ino = h->ino,
		.changed = { h->sec, h->nsec },
		.order = rec->n,
	};
	if (!e->path)
		return -ENOMEM;
	rec->n++;
	return 0;
}

int lxe_commits_read(struct lxe_record *ret, int fd)
{
	LXE_AUTOFREE char *bytes = NULL;
	struct lxe_record rec = { 0 };
	struct head h;
	size_t len = 0;
	int r = fd < 0 ? 0 : sys_read_whole(fd, RECORD_MAX, &bytes, &len);

	if (r < 0)
		return r;
	for (size_t at = 0; r == 0 && len - at >= sizeof(h); at += sizeof(h) + h.len) {
		memcpy(&h, bytes + at, sizeof(h));
		if (h.len > len - at - sizeof(h))
			break;
		r = add(&rec, &h, bytes + at + sizeof(h));
	}
	if (r == 0)
		r = sort(&rec);
	if (r < 0) {
		lxe_commits_release(&rec);
		return r;
	}
	*ret = rec;
	return 0;
}

void lxe_commits_release(struct lxe_record *rec)
{
	for (size_t i = 0; i < rec->n; i++)
		free(rec->v[i].path);
	free(rec->v);
	free(rec->by_inode);
	*rec = (struct lxe_record){ 0 };
}

/* The youngest of that path. */
static const struct lxe_record_entry *find(const struct lxe_record *rec, const char *path)
{
	size_t low = 0, high = rec->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(rec->v[middle].path, path) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low && strcmp(rec->v[low - 1].path, path) == 0 ? &rec->v[low - 1] : NULL;
}

static const struct lxe_record_entry *find_inode(const struct lxe_record *rec, uint64_t ino)
{
	size_t low = 0, high = rec->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (rec->by_inode[middle]->ino <= ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low && rec->by_inode[low - 1]->ino == ino ? rec->by_inode[low - 1] : NULL;
}

/*
 * File systems that count in seconds cut off the rest (ext4 with small inodes), or an odd second as well (FAT): what
 * has none was perhaps changed that much later. Elsewhere a clock that ticks comes by a whole second, too.
 */
static bool was_before(const struct lxe_cow_layer *layer, struct timespec changed)
{
	if (changed.tv_nsec == 0 && !layer->fine)
		changed.tv_sec += COARSE_S;
	return !lxe_later(changed, layer->since);
}

bool lxe_record_untouched(const struct lxe_record *rec, const struct lxe_cow_layer *layer,
	const struct lxe_change_side *side)
{
	const struct lxe_record_entry *e;

	if (was_before(layer, side->changed))
		return true;
	e = find_inode(rec, side->ino);
	if (!e)
		return false;
	if (e->kind == LXE_RECORD_FILE)
		return lxe_same_time(e->changed, side->modified);
	return e->kind == LXE_RECORD_TOUCH || lxe_same_time(e->changed, side->changed);
}

/* Has a commit taken away what was at this path, after the given one of its steps? */
static bool was_taken(const struct lxe_record *rec, const char *path, size_t order)
{
	const struct lxe_record_entry *e = find(rec, path);

	for (; e && e >= rec->v && strcmp(e->path, path) == 0 && e->order > order; e--)
		if (e->ino == 0)
			return true;
	return false;
}

uint64_t lxe_record_inode(const struct lxe_record *rec, const char *path)
{
	const struct lxe_record_entry *e = find(rec, path);
	char above[LXE_CHANGES_PATH_MAX + 256];
	char *slash;

	if (!e || lxe_format(above, sizeof(above), "%s", path) < 0)
		return 0;
	while ((slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		if (was_taken(rec, above, e->order))
			return 0;
	}
	return e->ino;
}

void lxe_record_put(FILE *memory, enum lxe_record_kind kind, const char *path,
	const struct lxe_change_side *side)
{
	struct head h = { .kind = kind, .len = (uint32_t)strlen(path) };

	if (side) {
		h.ino = side->ino;
		h.sec = (kind == LXE_RECORD_FILE ? side->modified : side->changed).tv_sec;
		h.nsec = (kind == LXE_RECORD_FILE ? side->modified : side->changed).tv_nsec;
	}
	fwrite(&h, sizeof(h), 1, memory);
	fwrite(path, h.len, 1, memory);
}

int lxe_record_append(int fd, const void *bytes, size_t len)
{
	int r;

	if (len == 0)
		return 0;
	if (lseek(fd, 0, SEEK_END) < 0)
		return -errno;
	r = sys_write_all(fd, bytes, len);
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	return r;
}
