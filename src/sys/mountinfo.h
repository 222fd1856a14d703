/*
 * The mounts of the calling process's namespace, as the kernel tells them: which filesystem, and which
 * of its directories, is seen at which path. With it one object is known again under all the paths that
 * lead to it. A table is a snapshot; it owns its texts. Reading it takes longer the more mounts there are.
 */
#ifndef LXE_SYS_MOUNTINFO_H
#define LXE_SYS_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sys_mount_row {
	uint64_t id;
	dev_t dev;
	const char *root;  /* the directory of the filesystem that is seen */
	const char *point; /* where it is seen */
	const char *type;
};

struct sys_mounts {
	struct sys_mount_row *v; /* in the kernel's order: what covers comes after what it covers */
	size_t n;
	char *text;
};

/* From /proc/self/mountinfo; released with sys_mounts_release(), which takes an all-zero one as well. */
int sys_mounts_read(struct sys_mounts *ret);
void sys_mounts_release(struct sys_mounts *mounts);

/* From the text of that file, which is taken. Lines that are none are left out. */
int sys_mounts_parse(struct sys_mounts *ret, char *text);

/* One object: a filesystem and a path in it, whichever mount it is reached by. */
struct sys_object {
	dev_t dev;
	const struct sys_mount_row *row; /* the mount it was opened by */
	char path[4096];
};

/* What an open descriptor of this namespace is. -ENOENT: it has no path any more. */
int sys_mounts_locate(const struct sys_mounts *mounts, int fd, struct sys_object *ret);

/* Unique among the mounts there are now (statx(2)). */
int sys_mount_id(int fd, uint64_t *ret);

/* The rest of `path` when it is `dir` or below it ("" or "/..."), else NULL. Both absolute; `dir` may end in slashes. */
const char *sys_path_below(const char *path, const char *dir);

#endif
