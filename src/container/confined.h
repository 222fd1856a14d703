/*
 * Where files that somebody else has chosen are unpacked or read: namespaces of its own without a network, a
 * root directory of the host's programs, read-only, and what the work is about, no privilege but
 * over files, and for what is unpacked a user namespace in which even those reach no other file. Nothing of the host's can be
 * touched from there, whatever the tools can be talked into. It is entered by a worker (worker.h) and never left.
 */
#ifndef LXE_CONTAINER_CONFINED_H
#define LXE_CONTAINER_CONFINED_H

#include "base/err.h"

/* What is there. */
#define LXE_CONFINED_TARGET "/target"
#define LXE_CONFINED_WORK "/unpack"
#define LXE_CONFINED_SOURCE "/source"

struct lxe_confined {
	int target; /* directory, writable; -EBADF: none */
	int work;   /* directory, writable, for what is only needed meanwhile; -EBADF: none */
	int source; /* directory, read-only; -EBADF: none */
	const char *source_path; /* where it was found, if it comes from another mount namespace */
	/*
	 * A user namespace (sys/userns.h): files of target and work have the owners that they have in it. -EBADF: in the
	 * caller's own.
	 */
	int userns;
};

/* `parent` is the worker's. On failure the process is good for nothing more. */
int lxe_confined_enter(const struct lxe_confined *c, int parent, struct lxe_err *err);

#endif
