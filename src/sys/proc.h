/*
 * Processes: pidfds, placement at birth, waiting with a deadline. Negative errno on failure.
 */
#ifndef LXE_SYS_PROC_H
#define LXE_SYS_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC. */
uint64_t sys_now_ms(void);
uint64_t sys_now_us(void);

uint64_t sys_epoch_ms(void); /* CLOCK_REALTIME, since 1970 */

/*
 * fork(2), straight into the cgroup v2 directory `cgroup_fd` unless it is negative
 * (clone3(2), CLONE_INTO_CGROUP, Linux 5.7): 0 in the child, its pid in the parent.
 */
pid_t sys_fork_into(int cgroup_fd);

/*
 * fork(2) into a new pid namespace: 0 in the child, which is its pid 1, so that nothing it starts
 * outlives it (pid_namespaces(7)); in the parent its pid, with its pidfd in *pidfd.
 */
pid_t sys_fork_pidns(int *pidfd);

int sys_pidfd_open(pid_t pid); /* -ESRCH: there is no such process, whatever else has that number */
int sys_pidfd_getfd(int pidfd, int fd); /* a copy of a descriptor of that process */

/* When a process began, in ticks since the boot: with its number it names one and no other. */
int sys_began(pid_t pid, uint64_t *ret);
int sys_pidfd_kill(int pidfd, int signal);

/* The number that follows `name` in the text of a /proc/PID/status, in hexadecimal; false where there is none. */
bool sys_status_mask(const char *status, const char *name, uint64_t *ret);

/*
 * Has a process ended, or will it without doing anything more? From kill(2) with SIGKILL on until the last of its
 * descriptors is closed there is a while in which it is neither alive nor waited for.
 */
bool sys_is_ending(pid_t pid);

/*
 * Show every process of /proc to `look`: how many it has said more than 0 of, or the first negative errno, which ends it.
 * Who is born meanwhile may be missed.
 */
int sys_each_process(int (*look)(void *arg, pid_t pid), void *arg);

/* Wait until the process behind a pidfd has ended: 0, -ETIMEDOUT after timeout_ms. Does not reap. */
int sys_pidfd_wait(int pidfd, int timeout_ms);

/* Reap the child behind a pidfd, waiting for it: -ECHILD when somebody else has. */
int sys_pidfd_reap(int pidfd);

/* Reap one child without blocking: its pid, 0 when none is ready, -ECHILD when there are none. */
pid_t sys_reap(pid_t pid, int *status, struct rusage *usage);

/* Reap one child, waiting for it. */
int sys_wait(pid_t pid, int *status);

/* What asks a program to end: SIGHUP, SIGINT, SIGTERM and SIGQUIT. */
#define SYS_N_FATAL 4
extern const int sys_fatal[SYS_N_FATAL];
bool sys_is_fatal(uint32_t signal);

/* A descriptor that reports exactly the signals of `set` (they must be blocked), CLOEXEC. */
int sys_signalfd(const int *signals, size_t n);

/* A CLOCK_MONOTONIC timer, disarmed; sys_timer_set with 0 disarms it again. */
int sys_timer(void);
int sys_timer_set(int fd, uint64_t ms);

/* Read and drop what a timerfd or eventfd has counted: was there anything? */
bool sys_drain_counter(int fd);

/* Add one to what an eventfd has counted; a negative one is nobody's. */
void sys_ring(int fd);

#endif
