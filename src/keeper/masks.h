/*
 * What of the sandbox's /proc and /sys nobody in it sees, or can change: covered by mounts that its
 * first command's process makes before anything of the user's runs, and that every command's process
 * looks for before its execve. In a process that is in all of the container's namespaces with all
 * capabilities there, and that no security module has confined yet. Async-signal-safe; negative errno.
 */
#ifndef LXE_KEEPER_MASKS_H
#define LXE_KEEPER_MASKS_H

/* Put the mounts there, and let none of the container's mounts propagate. */
int lxe_masks_child(void);

/* Are they all there? -EPERM when one is not. */
int lxe_masks_check_child(void);

#endif
