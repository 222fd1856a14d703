/*
 * Loop devices: a file as a disk. What is attached here is let go of by the kernel with the last that uses it, a
 * mount or a descriptor, so nothing has to be undone.
 */
#ifndef LXE_SYS_LOOP_H
#define LXE_SYS_LOOP_H

/*
 * Attach an open file to a free device: a descriptor of that (the caller's), or a negative errno. -ENOENT,
 * -ENXIO: this host has none.
 */
int sys_loop_attach(int file);

#endif
