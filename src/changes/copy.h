/*
 * One object of the upper layer made again in a directory of the source's file system, complete with owner, mode,
 * attributes and times. Private to src/changes. Blocks for as long as a file is long.
 */
#ifndef LXE_CHANGES_COPY_H
#define LXE_CHANGES_COPY_H

#include "changes/layer.h"

struct lxe_copy {
	const struct lxe_cow_layer *layer;
	const struct lxe_change *change; /* what it is, and is to be still: else -EBUSY */
	int from;			 /* the directory that it is in */
	const char *from_name;
	int to;
	const char *to_name;
	bool sync; /* on disk when it returns */
};

/* A file, symlink or fifo. */
int lxe_copy_object(const struct lxe_copy *copy);

/* The first `size` bytes of a file, into an empty one. Holes stay holes; -EBUSY: there are not that many any more. */
int lxe_copy_data(int from, int to, off_t size);

/* A directory: made without any rights for others, and finished when all is in it. */
int lxe_copy_dir_begin(const struct lxe_copy *copy);
int lxe_copy_dir_end(const struct lxe_copy *copy);

#endif
