/*
 * A new sandbox: its keeper, its directory with name and record, and the request. For the command
 * line and the library alike: nothing here touches the calling process beyond descriptors, but that
 * a keeper which is not `apart` is its child. Blocks for what earlier runs left, as long as it is told.
 */
#ifndef LXE_CLIENT_MAKE_H
#define LXE_CLIENT_MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/registry.h"
#include "policy/spec.h"
#include "proto/msg.h"
#include "store/dirs.h"
#include "store/sandbox.h"

struct lxe_make {
	const struct lxe_spec *spec;
	const struct lxe_dirs *dirs;
	struct lxe_msg
		request;  /* CREATE with flags, time, files and result; they stay the caller's */
	bool apart;	  /* the keeper is no child of ours */
	int reconcile_ms; /* for what earlier runs left; 0: it is not looked for */
	/* One that has ended and is kept, to be started again: `spec` is what its record says. NULL: a new one. */
	const struct lxe_place *again;
	/* What was made, also when the rest has failed: the caller's to release, or to tear down. */
	struct lxe_sandbox sandbox; /* LXE_SANDBOX_NONE beforehand */
	int control;
	pid_t keeper; /* 0: none, or apart */
};

int lxe_make(struct lxe_make *m, struct lxe_err *err);

/*
 * Its parts, for who makes one that does not run yet: the directory with the name, whoever holds that; the record,
 * with which it is there.
 */
int lxe_make_directory(struct lxe_make *m, struct lxe_err *err);
int lxe_make_record(struct lxe_make *m, struct lxe_err *err);

#endif
