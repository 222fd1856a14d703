/*
 * How a run ended: what the result record says, and the one place where an ending becomes an exit
 * status. A plain value without pointers. Pure, but for lxe_outcome_write().
 */
#ifndef LXE_STORE_OUTCOME_H
#define LXE_STORE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/blocked.h"

#define LXE_ID_LEN 12

enum lxe_exit {
	LXE_EXIT_TIMEOUT = 124,
	LXE_EXIT_ERROR = 125,  /* lxc-exec itself failed */
	LXE_EXIT_NOEXEC = 126, /* found, but it cannot be executed */
	LXE_EXIT_NOTFOUND = 127,
	LXE_EXIT_SIGNAL = 128, /* + the signal's number */
};

enum lxe_cause {
	LXE_CAUSE_EXIT,
	LXE_CAUSE_SIGNAL, /* the command died by a signal */
	LXE_CAUSE_TIMEOUT,
	LXE_CAUSE_OOM,
	LXE_CAUSE_LIMIT,
	LXE_CAUSE_POLICY,
	LXE_CAUSE_KILLED, /* lxc-exec was told to stop by a signal, or died */
	LXE_CAUSE_ERROR,  /* lxc-exec failed */
};

/* Where the time of a run goes; see docs/ARCHITECTURE.md for what each one covers. */
enum lxe_span {
	LXE_SPAN_SPAWN,	 /* the client's start to the keeper's first step */
	LXE_SPAN_OPEN,	 /* image, id map, filter, cgroup hierarchies */
	LXE_SPAN_CGROUP, /* make the groups and set the limits */
	LXE_SPAN_ROOTFS, /* mount namespace and root filesystem */
	LXE_SPAN_START,	 /* liblxc's start, until pid 1 is up */
	LXE_SPAN_ATTACH, /* the command's process, until it is parked */
	LXE_SPAN_EXEC,	 /* release, execve and the command's own life */
	LXE_SPAN_TEARDOWN,
};

#define LXE_SPANS 8

/* What a command puts out; with a terminal all of it is the first. */
enum lxe_stream { LXE_STREAM_OUT, LXE_STREAM_ERR };

#define LXE_STREAMS 2

enum lxe_settled {
	LXE_SETTLED_NONE,  /* nobody has asked */
	LXE_SETTLED_SHOWN, /* and dropped */
	LXE_SETTLED_COMMITTED,
	LXE_SETTLED_DISCARDED,
	LXE_SETTLED_KEPT, /* they could not be committed */
};

struct lxe_outcome {
	char id[LXE_ID_LEN + 1];
	char name[129]; /* empty: none */
	enum lxe_cause cause;
	bool has_status;	       /* the command ran and was waited for */
	int status;		       /* its wait status, when has_status */
	int signal;		       /* LXE_CAUSE_KILLED: the signal that the client got */
	int error;		       /* LXE_CAUSE_ERROR: LXE_EXIT_ERROR, _NOEXEC or _NOTFOUND */
	enum lxe_settled settled;      /* what became of changes in copy-on-write binds */
	char message[LXE_ERR_MSG_MAX]; /* LXE_CAUSE_ERROR, _TIMEOUT, _POLICY, _LIMIT */
	char rule[LXE_ERR_HINT_MAX];   /* of ours, that the command ran into; empty: none */
	char hint[LXE_ERR_HINT_MAX];   /* what to do about it: the option that lifts the rule */
	uint64_t created_at_ms, started_at_ms, ended_at_ms; /* since the Epoch, 0: never */
	uint64_t user_us, system_us, max_rss; /* of the command's tree; microseconds, bytes */
	uint64_t spans_us[LXE_SPANS];	      /* 0: not reached */
	uint64_t peak_memory;		      /* of the sandbox's cgroup, bytes, 0: unknown */
	uint64_t oom_kills, pids_refused;     /* likewise: processes killed, forks refused */
	int64_t bytes_out; /* through the terminal; -1: the command wrote to the caller's own fds */
	bool truncated;
	uint64_t output_limit; /* of each stream, 0: none, and nothing below is known */
	uint64_t written[LXE_STREAMS], dropped[LXE_STREAMS];
	bool spills;			/* there is a spill file */
	uint64_t spilled;		/* bytes in it */
	char spill_error[64];		/* why there are no more */
	char blocked[LXE_BLOCKED_TEXT]; /* what it may not reach and wanted to (blocked.h) */
	/* A line for each: call, path or nothing, rule, option or nothing; by tabs. */
	char denials[1536];
	uint64_t denied; /* how often something was denied; not all of it may be listed */
	uint64_t added, modified, deleted, conflicts; /* there were, then */
	bool teardown_ok;
	char residue[1024]; /* what could not be removed, one a line */
};

/* Did the command die, or one of its own that a shell speaks of, instead of failing? */
bool lxe_outcome_is_death(const struct lxe_outcome *o);

const char *lxe_cause_name(enum lxe_cause cause);

/* The status to exit with: a failed teardown makes every other status 125. */
int lxe_outcome_exit_status(const struct lxe_outcome *o);

/* The signal that ended it, 0: none. */
int lxe_outcome_signal(const struct lxe_outcome *o);

/* An error's words as the outcome's, and back: those of `o` behind what `err` says already. */
void lxe_outcome_take_err(struct lxe_outcome *o, const struct lxe_err *err);
int lxe_outcome_fail(const struct lxe_outcome *o, int r, struct lxe_err *err);

/* The record as one JSON object and a newline, allocated; NULL: no memory. */
char *lxe_outcome_json(const struct lxe_outcome *o);

/* Write the record as one JSON object and a newline, where the descriptor stands. */
int lxe_outcome_write(const struct lxe_outcome *o, int fd, struct lxe_err *err);

#endif
