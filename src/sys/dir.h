/*
 * Directories, read entry by entry. A failure is a negative errno in a variable of the caller's, by which his loop ends
 * as well. Who has opened a stream closes it. Blocks on disks.
 */
#ifndef LXE_SYS_DIR_H
#define LXE_SYS_DIR_H

#include <dirent.h>
#include <stdbool.h>

static inline void sys_autoclosedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define SYS_AUTODIR __attribute__((cleanup(sys_autoclosedir)))

/* A directory to be read, through no symlink at its last name. */
int sys_open_dir(int at, const char *name);

/* A stream over `fd`, which is taken, or may be an error itself; NULL with *r set. */
DIR *sys_dir_read(int fd, int *r);

/* Its next entry but "." and ".."; NULL at the end, when *r is negative, or with *r set when reading fails. */
const struct dirent *sys_dir_next(DIR *dir, int *r);

bool sys_is_dots(const char *name); /* one of these two */

#endif
