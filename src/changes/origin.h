/*
 * What a file of the upper layer was copied from: overlayfs notes the file handle of it. Private to src/changes.
 */
#ifndef LXE_CHANGES_ORIGIN_H
#define LXE_CHANGES_ORIGIN_H

#include "changes/layer.h"

/* As the lower file system has it; it holds the inode's generation, so another file of the same number is another one. */
struct lxe_handle {
	int type;
	size_t len;
	unsigned char bytes[128];
};

/* 1: it was copied from *ret; 0: it was not; -EOPNOTSUPP: it was, and from what was not noted. */
int lxe_origin(struct lxe_handle *ret, int upper, bool userxattr);

/* That of an open file. -EOPNOTSUPP: this file system has none. */
int lxe_handle_of(struct lxe_handle *ret, int fd);

int lxe_handle_compare(const struct lxe_handle *a, const struct lxe_handle *b);

#endif
