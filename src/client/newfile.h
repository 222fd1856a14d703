/*
 * A file of the caller's that is there whole or not at all. It is written without a name where the filesystem can do
 * that (O_TMPFILE, open(2)) and as PATH.part-PID where it cannot. A process of its own gives it its name in the end, or
 * takes the other one away: with a SIGKILL at whatever moment, nothing stays behind but what was there before.
 */
#ifndef LXE_CLIENT_NEWFILE_H
#define LXE_CLIENT_NEWFILE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct lxe_newfile {
	int fd;	   /* to write to; the caller's, to read only */
	int guard; /* the socket to that process, */
	pid_t pid; /* a child */
	char path[PATH_MAX], part[PATH_MAX];
};

/* A symlink at `path` stays one: what it leads to is replaced. After an error there is nothing to end. */
int lxe_newfile_begin(struct lxe_newfile *ret, const char *path, struct lxe_err *err);

/* Once it is on the disk it takes the place of what was at the path (`keep`), or it goes. */
int lxe_newfile_end(struct lxe_newfile *file, bool keep, struct lxe_err *err);

#endif
