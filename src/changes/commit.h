/*
 * A commit while it is made. Private to src/changes: stage.c writes everything new, swap.c puts it in place and
 * takes it back, apply.c says when.
 */
#ifndef LXE_CHANGES_COMMIT_H
#define LXE_CHANGES_COMMIT_H

#include "changes/record.h"

enum lxe_op_kind {
	LXE_OP_NONE, /* nothing to do, or part of a directory that is put */
	LXE_OP_PUT,  /* from the stage to where nothing is */
	LXE_OP_SWAP, /* with what is there */
	LXE_OP_TAKE, /* to the stage */
	LXE_OP_SET,  /* mode or time of a file: one call, so there is no state in between */
	LXE_OP_DIR,  /* owner, mode, attributes of a directory */
};

/* Beside each change, under the same index. */
struct lxe_op {
	enum lxe_op_kind kind;
	bool done;
	bool apart; /* this file system does not exchange: the old one is in the stage under another name */
	bool touched;  /* a directory in which something is done */
	bool timed;    /* a directory whose time was set */
	bool clean;    /* nobody else has changed it */
	size_t staged; /* index + 1 of the change in whose place this file was written; 0: not yet */
	struct lxe_xattrs old; /* of a directory */
};

struct lxe_commit {
	struct lxe_changes *c;
	struct lxe_record rec;
	struct lxe_op *ops;
	char stage[LXE_STAGE_NAME_MAX]; /* in the source */
	int stage_fd;			/* or -EBADF */
	bool keep_stage;		/* it holds what could not be put back */
};

/* What has to be done for each change. Pure, but for -EOVERFLOW. */
int lxe_commit_plan(struct lxe_commit *k, struct lxe_err *err);

/* Make the stage, and everything new in it. */
int lxe_commit_stage(struct lxe_commit *k, struct lxe_err *err);

/* Put all of it in place; who fails half-way is to be undone. -ESTALE: somebody was quicker. */
int lxe_commit_swap(struct lxe_commit *k, struct lxe_err *err);

/* Take back what is in place, if anything is; what cannot be stays in the stage, which `err` then has a hint of. */
void lxe_commit_undo(struct lxe_commit *k, struct lxe_err *err);

/* A stage of nobody's: -EBUSY when it is somebody's; absent, or not one of ours, is success. */
int lxe_stage_remove(int lower, const char *name);

/* Under a name that nobody removes: it holds what is nowhere else. */
void lxe_stage_keep(struct lxe_commit *k);

/* "WHAT 'PATH' in SOURCE: why", where there are several. */
int lxe_commit_fail(const struct lxe_commit *k, struct lxe_err *err, int r, const char *what,
	const struct lxe_change *change);

#endif
