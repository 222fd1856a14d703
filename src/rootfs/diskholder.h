/*
 * Who holds the lock on a disk image: the kernel names the process (/proc/locks), a keeper's command line its sandbox,
 * and that sandbox's record its name. Nothing is written down anywhere, so nothing can be out of date.
 */
#ifndef LXE_ROOTFS_DISKHOLDER_H
#define LXE_ROOTFS_DISKHOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "policy/spec.h"
#include "store/outcome.h"

struct lxe_diskholder {
	char id[LXE_ID_LEN + 1];      /* of a sandbox; empty: it is none */
	char name[LXE_NAME_MAX + 1];  /* of that, if it has one that is known here */
	char text[LXE_NAME_MAX + 64]; /* for people */
	bool writes;
	bool lives;	/* the process is there */
	bool ourselves; /* it is the calling process */
};

/* The first of them; `text` is always set. `directories` are searched for the sandbox's record. */
void lxe_diskholder_find(struct lxe_diskholder *ret, dev_t dev, ino_t ino,
	const char *const *directories, size_t n_directories);

#endif
