/*
 * Locks on byte ranges of a file that belong to an open file description (F_OFD_SETLK, fcntl(2)):
 * the kernel ends them with its last descriptor *and* its last mapping, in whatever process that
 * is. Nothing here blocks. A range of the same description is never in its own way.
 */
#ifndef LXE_SYS_LOCK_H
#define LXE_SYS_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

/* Take the range for writing: 0, -EAGAIN when another description has some of it. */
int sys_lock_range(int fd, off_t start, off_t len);

int sys_unlock_range(int fd, off_t start, off_t len);

/* Does another description hold some of the range? 1, 0, or a negative errno. */
int sys_range_is_locked(int fd, off_t start, off_t len);

struct sys_flock_holder {
	pid_t pid;   /* who took it, as the caller's /proc has it; may have ended since */
	bool writes; /* it is exclusive */
};

/* Who holds a flock(2) on that inode, as its file system's superblock and /proc/locks name it. -ENOENT: nobody we see. */
int sys_flock_find(dev_t dev, ino_t ino, struct sys_flock_holder *ret);

#endif
