/*
 * A user namespace that nobody lives in: it only says how an idmapped mount shifts owners
 * (mount_setattr(2)).
 */
#ifndef LXE_SYS_USERNS_H
#define LXE_SYS_USERNS_H

#include <stdint.h>

/*
 * Descriptor of a new user namespace whose ids 0..count-1 are start..start+count-1 here, or a
 * negative errno. The process that makes it possible is ours alone: it is gone and reaped on
 * return, raises no SIGCHLD, and no other child is waited for.
 */
int sys_userns_mapped(uint32_t start, uint32_t count);

/* The same, whose ids from..from+count-1 are start..start+count-1 here. */
int sys_userns_shifting(uint32_t from, uint32_t start, uint32_t count);

#endif
