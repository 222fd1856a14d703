/*
 * The command's process between fork and exec: puts the whole policy on, parks right before execve,
 * and goes on when it is released. Everything here is async-signal-safe.
 */
#ifndef LXE_KEEPER_CHILD_H
#define LXE_KEEPER_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "confine/confine.h"
#include "keeper/deny.h"
#include "keeper/diagnose.h"

/* What the child was doing when it reported. */
enum lxe_child_step {
	LXE_CHILD_SIGNALS,
	LXE_CHILD_LIMITS,
	LXE_CHILD_MASKS,
	LXE_CHILD_DENY,
	LXE_CHILD_MARK,
	LXE_CHILD_BOUNDS,
	LXE_CHILD_NO_NEW_PRIVS,
	LXE_CHILD_USER,
	LXE_CHILD_CAPABILITIES,
	LXE_CHILD_SECLUSION,
	LXE_CHILD_STDIO,
	LXE_CHILD_TERMINAL,
	LXE_CHILD_DESCRIPTORS,
	LXE_CHILD_CWD,
	LXE_CHILD_DEVICES,
	LXE_CHILD_COVERED,
	LXE_CHILD_APPARMOR,
	LXE_CHILD_FILTER,
	LXE_CHILD_PARKED, /* error 0: everything holds, the release is awaited; or why that failed */
	LXE_CHILD_EXEC,
};

const char *lxe_child_step_name(enum lxe_child_step step);

/* One record on the report pipe. Its end of file after PARKED means that execve succeeded. */
struct lxe_child_report {
	enum lxe_child_step step;
	int error;		    /* negative errno */
	unsigned int at;	    /* LXE_CHILD_DENY: which path it was */
	int listener;		    /* PARKED: what tells what it is denied; negative: none */
	struct lxe_trouble trouble; /* EXEC: why */
};

struct lxe_child {
	char *const *argv;
	char *const *envp;
	const char *cwd;
	bool cwd_optional; /* nobody asked for it: / will do */
	uid_t uid;	   /* inside */
	gid_t gid;
	int stdio[3]; /* with a terminal: the slave, three times, from the word to go in */
	bool terminal;
	int report;	      /* written */
	int release;	      /* one record lets it go on; end of file ends it */
	int covered;	      /* the first one's: pid 1 says there that it has put the masks */
	int messenger;	      /* for the filter's listener; -EBADF: it has none */
	struct rlimit nofile; /* of open files */
	bool first;	      /* of its sandbox: it puts these paths out of reach */
	const struct lxe_strv *deny;
	struct lxe_covers covers;
	size_t *at;
	int *listener;
	bool mark;	    /* by a namespace of its own: there is no cgroup to know its tree by */
	uint64_t processes; /* without a cgroup: RLIMIT_NPROC, 0: none */
	struct lxe_confinement confinement;
};

/* The entry point; takes a struct lxe_child and does not return when all is well. */
int lxe_child_main(void *arg);

#endif
