/*
 * Loop devices: a file as a disk. What is attached here is let go of by the kernel with the last that uses it, a
 * mount or a descriptor, so nothing has to be undone.
 */
#ifndef LXE_SYS_LOOP_H
#define LXE_SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Attach an open file to a free device, with more of LO_FLAGS_* (linux/loop.h): a descriptor of that (the caller's),
 * or a negative errno. -ENOENT, -ENXIO: this host has none. The device holds the open file description, and a
 * flock(2) on that with it, until it is let go of.
 */
int sys_loop_attach(int file, uint32_t flags);

/*
 * Does a loop device show this file, and if `writable` is set, one that can be written to? Its number, or a negative
 * errno: -ENOENT for none. As good as the moment it is asked in.
 */
int sys_loop_find(dev_t dev, ino_t ino, bool writable);

#endif
