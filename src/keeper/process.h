/*
 * One command in the sandbox, from its request to its end: the sandbox's own, which is process 0, or
 * one that was added by EXEC. It owns its request with all descriptors, its pty and its cgroup, and
 * moves on by the keeper's events; lxe_keeper_moved() hears of every step.
 */
#ifndef LXE_KEEPER_PROCESS_H
#define LXE_KEEPER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "confine/confine.h"
#include "keeper/denial.h"
#include "keeper/limits.h"
#include "keeper/look.h"
#include "keeper/learn.h"
#include "keeper/loop.h"
#include "keeper/output.h"
#include "keeper/state.h"
#include "keeper/user.h"
#include "policy/spec.h"
#include "proto/msg.h"
#include "store/outcome.h"
#include "terminal/pty.h"
#include "terminal/ring.h"

struct lxe_keeper;
struct lxe_channel;

struct lxe_process {
	struct lxe_keeper *keeper;
	struct lxe_process *next;
	uint32_t number;
	enum lxe_process_state state;

	struct lxe_msg request; /* CREATE or EXEC, with its descriptors */
	struct lxe_spec spec;
	struct lxe_user user; /* whom it runs as */
	struct lxe_confinement confinement;
	struct lxe_channel *client; /* whom its end concerns; NULL: nobody, or gone */
	struct lxe_channel *driver; /* who reads the pty; NULL: we do */
	struct lxe_source drained_by_us;
	struct lxe_channel *claimant; /* who wants to drive, once the driver has let go */
	struct lxe_timer seat;	      /* for the driver's answer to that */
	int bell;		      /* eventfd: the driver has read something; for watchers */
	struct lxe_source rung;
	bool hung_up; /* the pty's last byte was read by us */

	struct lxe_cgroup_leaf *leaf;
	struct lxe_pty pty;
	struct lxe_ring *ring;
	int ring_fd;

	struct lxe_output output;

	int answer, report; /* of the starter; of the child */
	int release;	    /* to the starter, and then to the child */
	struct lxe_source answered, reported;
	struct lxe_learner learner;
	struct lxe_denied denied;
	pid_t pid;   /* 0: not known yet */
	bool reaped; /* it has ended; what it said may still have to be read */
	bool unseen; /* its namespaces could not be looked at when it came */
	bool left;   /* it was still there when the sandbox ended */
	int status;

	struct lxe_look look;
	struct lxe_timer step;	   /* of its start */
	struct lxe_timer life;	   /* what it was given */
	struct lxe_timer patience; /* with its last output, or between stop signal and end */
	bool counted;		   /* among those that are being put into the container */
	bool timed_out;
	bool late;     /* its deadline passed when it had ended, not yet what it has put out */
	bool stopping; /* its end was asked for */
	int stop_signal;
	bool started;  /* its client was told so */
	bool drained;  /* its client has delivered the terminal's last bytes */
	bool finished; /* nothing more is waited for */
	bool bye;      /* its client has restored the caller's terminal */
	bool answered_done;
	ino_t tree; /* without a cgroup: the uts namespace that its tree is known by, 0: not known */
	struct lxe_process_limits limits;
	struct lxe_outcome outcome;
};

/* A new process that takes the request. NULL: no memory, and the request is still the caller's. */
struct lxe_process *lxe_process_new(
	struct lxe_keeper *k, struct lxe_msg *request, struct lxe_channel *client);

/* Out of the keeper's list, everything given back; what still runs is left to its cgroup. */
void lxe_process_free(struct lxe_process *p);

/*
 * spawn.c: fork its starter, which needs no container yet: it enters the command's cgroup and waits, until the
 * end of `release` at worst. On `init` (-EBADF: it is past that) pid 1 says what it has done.
 */
int lxe_process_fork(struct lxe_process *p, int init, struct lxe_err *err);

/* spawn.c: send the starter into the container, which runs; it is ENTERING then, and parks by itself. */
int lxe_process_enter(struct lxe_process *p, struct lxe_err *err);

/* spawn.c: both. */
int lxe_process_spawn(struct lxe_process *p, struct lxe_err *err);

/* What the starter says: the command's pid, or why there is none. */
struct lxe_starter_report {
	pid_t pid;
	struct lxe_err err;
};

/* For spawn.c: hear what the starter says, and then the child; the starter was forked. */
int lxe_process_listen(struct lxe_process *p, struct lxe_err *err);
void lxe_process_entering(struct lxe_process *p);

/*
 * All of the sandbox was frozen, or goes on: of one that is being started, the time for its step begins with the thaw, and
 * its client, and whoever has asked for its start, are told that it takes longer.
 */
void lxe_process_time_step_anew(struct lxe_process *p);

/* Let a parked one go on to its execve. */
void lxe_process_release(struct lxe_process *p);

/* End its whole tree; its end is heard of as an event. */
void lxe_process_kill(struct lxe_process *p);

/* Its start has failed: everything of it is ended, and what `err` says goes to its outcome. */
void lxe_process_fail(struct lxe_process *p, const struct lxe_err *err);

/* It was started and takes signals, although its execve may not have been heard of yet. */
bool lxe_process_runs(const struct lxe_process *p);

/* It was reaped. */
void lxe_process_reaped(struct lxe_process *p, int status, const struct rusage *usage);

/* drain.c: read the pty into the ring ourselves, for as long as nobody drives; and no longer. */
void lxe_process_drain(struct lxe_process *p);
void lxe_process_leave_to_driver(struct lxe_process *p, struct lxe_channel *driver);

/* judge.c: fill in the outcome's cause, statuses and counters. */
void lxe_process_judge(struct lxe_process *p);

/* If its client is gone without having done so: the caller's terminal as it was. */
void lxe_process_restore_terminal(struct lxe_process *p);

/* judge_seccomp.c: it was the system call filter that ended it; its outcome says so. */
bool lxe_seccomp_judge(struct lxe_process *p);

/* judge_seccomp.c: its start has failed, and a profile of the user's may be why. */
void lxe_seccomp_hint(const struct lxe_process *p, struct lxe_err *err);

#endif
