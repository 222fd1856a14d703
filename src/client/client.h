/*
 * Run a sandbox from start to end: makes its directory, spawns its keeper, relays the terminal when
 * there is one, and returns when everything that was made is gone again. Blocks until then.
 *
 * While it runs it owns the caller's terminal, blocks HUP, INT, TERM, QUIT, WINCH, TSTP, CONT and
 * CHLD and makes the process a subreaper; it never exits and prints nothing.
 */
#ifndef LXE_CLIENT_CLIENT_H
#define LXE_CLIENT_CLIENT_H

#include "base/err.h"
#include "client/registry.h"
#include "policy/spec.h"
#include "proto/msg.h"
#include "store/dirs.h"
#include "store/outcome.h"

/*
 * spec->tty AUTO is resolved here (a pty when stdin and stdout are both terminals). Always fills
 * *outcome, whose lxe_outcome_exit_status() is what to exit with; 0, or a negative errno with *err
 * describing what could not even be begun (also in outcome->message then).
 */
int lxe_client_run(struct lxe_spec *spec, const struct lxe_dirs *dirs, struct lxe_outcome *outcome,
	struct lxe_err *err);

/*
 * Make a sandbox that outlives the caller, whose command is parked right before its execve: the
 * command's pid, or a negative errno with *outcome filled as above.
 */
pid_t lxe_client_create(struct lxe_spec *spec, const struct lxe_dirs *dirs,
	struct lxe_outcome *outcome, struct lxe_err *err);

/* The same for one that has ended and is kept, whose spec is what its record says. */
pid_t lxe_client_create_again(struct lxe_spec *spec, const struct lxe_dirs *dirs,
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err);

/* Run one more command in a sandbox that runs; otherwise as lxe_client_run(). */
int lxe_client_exec(struct lxe_spec *spec, const struct lxe_dirs *dirs,
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err);

/*
 * Open what --result names, a path (emptied) or "fd:N" (duplicated): a descriptor for
 * lxe_outcome_write(), the caller's. For failures that come before there is anything to run.
 */
/* Where everything that the command puts out goes, beside the limit; checks both. -EBADF in *ret: no file. */
int lxe_client_open_spill(
	const struct lxe_spec *spec, bool passes_on, int *ret, struct lxe_err *err);

int lxe_client_open_result(const char *where, struct lxe_err *err);

/* Something that the keeper's program does with images (enum lxe_image_job in proto/msg.h). */
struct lxe_image_task {
	enum lxe_image_job job;
	const char *name;
	struct lxe_strv words; /* the job's; owned */
	int config;	       /* of LXE_JOB_IMPORT: what the image is to say; 0 or less: nothing */
	int source, output;    /* for those that have one; -EBADF: none */
	/* What is printed meanwhile; NULL: nobody wants to know. */
	void (*say)(void *arg, const char *text, size_t len);
	void *arg;
};

/*
 * Do it. Blocks HUP, INT, TERM and QUIT, for good: one that comes meanwhile ends it, leaves nothing of it, and is
 * -ECANCELED with its number in *signal. Returns when the keeper has ended.
 */
int lxe_client_image(const struct lxe_dirs *dirs, const struct lxe_image_task *task, int *signal,
	struct lxe_err *err);

/* Block those signals, for good, but for the ones that the caller ignores: a descriptor to read them from, the caller's. */
int lxe_client_watch_signals(int *ret, struct lxe_err *err);

#endif
