/*
 * What the other files of this folder share: opening below a directory, owners, extended attributes, and a growing
 * list. Private to src/changes.
 */
#ifndef LXE_CHANGES_LAYER_H
#define LXE_CHANGES_LAYER_H

#include <dirent.h>
#include <errno.h>

#include "changes/changes.h"
#include "sys/dir.h"

#define LXE_CHANGES_DEPTH_MAX 250
#define LXE_CHANGES_PATH_MAX 4000

/* Open `path` ("." too) below `root`: through no symlink, out of nothing, over no mount. A negative errno. */
int lxe_layer_open(int root, const char *path, int flags);

/* Such a directory, to be read (sys/dir.h): NULL with *r set. The stream is the caller's. */
DIR *lxe_layer_read_dir(int root, const char *path, int *r);

/* The directory that `path` is in, with O_PATH; *base is its last name, in `path`. */
int lxe_layer_parent(int root, const char *path, const char **base);

/* fstatat(2) of it, without following. */
int lxe_layer_stat(int root, const char *path, struct stat *ret);

/* What was listed in the upper layer and is not there any more: somebody is at work in the sandbox. */
static inline int lxe_layer_gone(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? -EBUSY : r;
}

/* A regular file for reading, whatever the name has become meanwhile: -ESTALE if it is none. */
int lxe_layer_open_file(int at, const char *name);

/* An owner of the upper layer's as the lower one's; (uint32_t)-1 if there is none. And back. */
uint32_t lxe_ids_down(const struct lxe_cow_ids *ids, uint32_t upper);
uint32_t lxe_ids_up(const struct lxe_cow_ids *ids, uint32_t lower);

void lxe_side_set(
	struct lxe_change_side *ret, const struct stat *st, const struct lxe_cow_ids *ids);

static inline bool lxe_later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec >= b.tv_nsec);
}

static inline bool lxe_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Is `path` the same as `dir` or below it? "." is above all. */
bool lxe_path_below(const char *path, const char *dir);

/* The order of the list: a directory, what is in it, then its next neighbour. */
int lxe_path_compare(const char *a, const char *b);

/*
 * Attributes that a commit carries over: user.* and access control lists, never overlayfs's own, the kernel's or
 * root's. Sorted by name; the owners in the lists are the lower layer's.
 */
struct lxe_xattr {
	char *name;
	void *value;
	size_t size;
};

struct lxe_xattrs {
	struct lxe_xattr *v;
	size_t n;
};

/* Of an open file or directory; ids NULL leaves owners as they are. */
int lxe_xattrs_read(struct lxe_xattrs *ret, int fd, const struct lxe_cow_ids *ids);
void lxe_xattrs_release(struct lxe_xattrs *x);
bool lxe_xattrs_equal(const struct lxe_xattrs *a, const struct lxe_xattrs *b);

/* Make those of `fd` the same as these. */
int lxe_xattrs_write(int fd, const struct lxe_xattrs *x);

/* One of overlayfs's own: its length (at most `size` is read), -ENODATA. */
ssize_t lxe_overlay_xattr(int fd, bool userxattr, const char *name, void *buf, size_t size);

/* Room for one more; its fields are zero. NULL: no memory. */
struct lxe_change *lxe_changes_add(struct lxe_changes *c, const char *path);
void lxe_changes_sort(struct lxe_changes *c);

/* The entry of a path, or NULL. */
struct lxe_change *lxe_changes_find(const struct lxe_changes *c, const char *path);

/* The nearest entry above it that is a new directory (added, or of another type before), or NULL. */
struct lxe_change *lxe_changes_new_above(const struct lxe_changes *c, const char *path);

/* Find the names of one file: sets `link`, and makes a change of a name that only now leads to it. */
int lxe_changes_link(struct lxe_changes *c);

static inline bool lxe_change_is_new(const struct lxe_change *change)
{
	return change->kind == LXE_CHANGE_ADDED || change->kind == LXE_CHANGE_TYPE;
}

#endif
