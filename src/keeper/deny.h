/*
 * Paths of the sandbox's view that were asked to be out of its reach (--deny): covered by a file or a
 * directory that nobody inside may open, root neither, because its owner is nobody inside. The keeper
 * makes the two in its private view; the first command's process puts them where they belong.
 */
#ifndef LXE_KEEPER_DENY_H
#define LXE_KEEPER_DENY_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* What they are made of, in the keeper's view. */
#define LXE_COVER_FILE "/run/lxe-denied-file"
#define LXE_COVER_DIRECTORY "/run/lxe-denied"

/* The covers, as detached mounts: the first of each is moved, the others are copies of it. */
struct lxe_covers {
	int file, directory;
};

/* Make them, `nobody`'s, in the private view of the mounts. On failure nothing is left open. */
int lxe_covers_open(struct lxe_covers *ret, uid_t nobody, struct lxe_err *err);
void lxe_covers_close(struct lxe_covers *c);

/*
 * Between fork and exec, in the container and with all capabilities there: cover every path, and look
 * that it is. *at is the number of the one that failed. Async-signal-safe.
 */
int lxe_deny_child(const struct lxe_covers *c, const struct lxe_strv *paths, size_t *at);

#endif
