/*
 * The files of a sandbox that runs, as a tar archive with the owners that they have inside, for an image that is made of
 * them (container/import.h). It is the host's tar(1), in the sandbox's user namespace and with its root directory as the
 * working directory: it reads what is in there, runs nothing of it, and may do nothing to anything else. What is mounted is left
 * out. The archive is in gzip's format, not compressed, so that one that was cut short is known for what it is.
 */
#ifndef LXE_CLIENT_ARCHIVE_H
#define LXE_CLIENT_ARCHIVE_H

#include <sys/types.h>

#include "base/err.h"

struct lxe_archive {
	pid_t pid;  /* our child that writes it */
	int output; /* the archive, to be read while it is written */
	int said;   /* what tar(1) had to say */
};

/* Of the sandbox that the process `inside` is in. Ended with lxe_archive_end() in any case. */
int lxe_archive_begin(struct lxe_archive *ret, pid_t inside, struct lxe_err *err);

/* Has all of it been written? 0; -EIO with what tar(1) said; -EPIPE: nobody has read all of it. */
int lxe_archive_end(struct lxe_archive *archive, struct lxe_err *err);

#endif
