/*
 * What a disk image holds, by the numbers that its first bytes begin with: the three kinds of file system that are
 * mounted, and the name of what is often there instead. Pure.
 */
#ifndef LXE_ROOTFS_DISKKIND_H
#define LXE_ROOTFS_DISKKIND_H

#include <stdbool.h>
#include <stddef.h>

#define LXE_DISK_HEAD 69632 /* bytes: up to btrfs's number, behind all others */

struct lxe_diskkind {
	const char *type; /* as mount(2) calls it, or NULL: none that is mounted */
	const char *what; /* in words, if there is no type */
	bool read_only;	  /* nothing can ever be written to it */
	bool unclean;	  /* its journal has to be replayed first, which writes */
};

/* Of an image's first LXE_DISK_HEAD bytes, or of all that it has. */
struct lxe_diskkind lxe_diskkind_of(const unsigned char *head, size_t len);

#endif
