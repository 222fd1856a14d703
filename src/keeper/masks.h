/*
 * What of the sandbox's /proc and /sys nobody in it sees, or can change (container/init/masks.h): pid 1 covers
 * it while the first command's process is on its way, and no command is executed before all of it is
 * seen to be covered. In a process that is in all of the container's namespaces. Async-signal-safe; negative errno.
 */
#ifndef LXE_KEEPER_MASKS_H
#define LXE_KEEPER_MASKS_H

/* Wait until pid 1 has put the mounts there, as it says on `covered`; its error when it could not. */
int lxe_masks_await_child(int covered);

/* Are they all there? -EPERM when one is not, or why that cannot be seen. */
int lxe_masks_check_child(void);

#endif
