/*
 * The limits of a sandbox and of its commands: from the spec to what the kernel is told, the watch over
 * processor time, and what is said of a command that ran into one of them.
 */
#ifndef LXE_KEEPER_LIMITS_H
#define LXE_KEEPER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "keeper/loop.h"

#define LXE_IO_DEVICES_MAX 16

struct lxe_keeper;
struct lxe_process;

/* Of the sandbox; it points into itself and into the spec. */
struct lxe_keeper_limits {
	struct lxe_cgroup_limits cgroup;
	struct lxe_cgroup_io io[LXE_IO_DEVICES_MAX];
};

/* Of one command. */
struct lxe_process_limits {
	uint64_t oom_before, pids_before; /* counted by the kernel before it came */
	struct lxe_timer budget;	  /* when its processor time may be used up */
	uint64_t cpu_before_us, cpu_seen_us;
	uint64_t interval_ms;
	unsigned int cpus; /* that it can use at the same time */
	bool spent;	   /* its processor time is used up */
};

/* Before anything is made: whatever this host cannot enforce is an error. */
int lxe_limits_prepare(struct lxe_keeper *k, struct lxe_err *err);

/* The process is about to be put into its cgroup. */
void lxe_limits_count_from_here(struct lxe_process *p);

/* It is parked: give it its resource limits, and look whether it has them. */
int lxe_limits_of_process(const struct lxe_process *p, struct lxe_err *err);

/* It is released; it has ended. */
int lxe_limits_watch(struct lxe_process *p, struct lxe_err *err);
void lxe_limits_unwatch(struct lxe_process *p);

/* It was ended by what it used up, of its own or of the sandbox's: say so. */
bool lxe_limits_judge_kill(struct lxe_process *p);

/* It has ended by itself, or by a limit: say by which. False: by none that is known. */
bool lxe_limits_judge(struct lxe_process *p);

#endif
