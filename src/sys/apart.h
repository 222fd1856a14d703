/*
 * Starting something that is to be nobody's child here: for a library, whose program waits for
 * children of its own.
 */
#ifndef LXE_SYS_APART_H
#define LXE_SYS_APART_H

/*
 * Call `what` in a process that shares our memory (but not our descriptors) and ends with it, while
 * the calling thread stands still with its signals held back. Nobody hears of that process: it ends
 * without SIGCHLD, wait(2) does not see it, and when the calling thread is killed it is as well. What
 * it has started becomes a child of init, or of the nearest subreaper. Returns 0, or a negative errno
 * when there was no such process.
 */
int sys_call_apart(int (*what)(void *arg), void *arg);

#endif
