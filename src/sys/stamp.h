/*
 * The time by which file systems stamp what is changed.
 */
#ifndef LXE_SYS_STAMP_H
#define LXE_SYS_STAMP_H

#include <time.h>

/*
 * A time such that what was changed before this call has an earlier ctime and what is changed after it has no earlier one: on
 * the same machine, whatever the file system. Before Linux 6.13 it waits for the next tick of the clock, at most 0.1 s or so: if
 * none comes by then, what was changed right before may have the same one. `fd` is a file of ours, whose ctime is
 * changed for it. A negative errno.
 */
int sys_stamp(int fd, struct timespec *ret);

#endif
