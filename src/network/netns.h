/*
 * The network namespace that a sandbox's network is in: whoever finds its journal may be in another one. It is
 * known by its inode, as /proc/PID/ns/net has it.
 */
#ifndef LXE_NETWORK_NETNS_H
#define LXE_NETWORK_NETNS_H

#include <stdint.h>

uint64_t lxe_netns_inode(void); /* of the calling process's; 0: not to be had */

/*
 * Go there: 0, also when it is this one (or inode is 0). -ENOENT: no process is in it and it has no name
 * (ip-netns(8)), so it is gone, with all that was in it. -EXDEV: it was not found, and not all of the machine's
 * processes are seen from here.
 */
int lxe_netns_enter(uint64_t inode);

#endif
