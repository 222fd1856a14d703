/*
 * What is behind the handles of the public library (include/lxc-exec.h). Internal to client/.
 *
 * A process handle is one connection to the keeper: the creator's for a sandbox's own command, one of
 * its own for each exec. Whatever comes in is taken in order by lxe_handle_await(), the only function
 * that waits, until what the caller wants is true.
 */
#ifndef LXE_CLIENT_API_H
#define LXE_CLIENT_API_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/make.h"
#include "client/registry.h"
#include "include/lxc-exec.h"
#include "policy/request.h"
#include "proto/msg.h"
#include "store/dirs.h"
#include "store/outcome.h"
#include "terminal/ring.h"

#define LXE_FOREVER UINT64_MAX

struct lxe_error {
	struct lxe_err err;
};

struct lxe_options {
	struct lxe_request req;
	struct lxe_dirs dirs;
	bool pty;
	int stdio[3]; /* borrowed; -1: /dev/null */
};

struct lxe_process_handle {
	pid_t owner;  /* the process that made the handle: a fork's copy only lets go */
	bool is_main; /* a sandbox's own: part of its handle */
	bool armed;   /* its end is the command's */
	int control;  /* non-blocking */
	bool created; /* the command is parked */
	bool started; /* it was released */
	bool running; /* it was executed */
	bool exited;  /* its process has ended, but not all of it is over */
	bool done;    /* and this is how */
	bool lost;    /* the keeper died without a word */
	unsigned int asked, answered; /* questions that are answered by OK or a refusal, in order */
	unsigned int start;	      /* which of them was the start, 0: none */
	unsigned int refused;	      /* the last one that was refused, 0: none */
	struct lxe_err refusal;
	bool drained;	    /* the keeper was told that the terminal is empty */
	uint64_t linger_ms; /* when it is told so anyway */
	int master;
	int bell; /* rung for all output, when somebody watches */
	struct lxe_ring *ring;
	pid_t pid;
	struct lxe_outcome outcome;
	char *json;
};

struct lxe_sandbox_handle {
	struct lxe_process_handle main;
	struct lxe_dirs dirs;
	struct lxe_place place; /* its base is in dirs */
	char name[129];
	bool keep;
	bool again; /* this is not its first life: whatever happens, its files stay */
};

/* What a public function returns for what an inner one has said. */
int lxe_api_fail(lxe_error *error, int r, const struct lxe_err *err);

/* As lxe_dirs_find(), for a program that is not ours. */
int lxe_api_dirs(struct lxe_dirs *dirs, struct lxe_err *err);

/* When a limit of the caller's is over, CLOCK_MONOTONIC; and what is left of it for poll(2). */
uint64_t lxe_api_end(int timeout_ms);
int lxe_api_left(uint64_t end_ms);

/* The spec that is to be run, borrowed from the options: not to be released. */
struct lxe_spec lxe_api_spec(const struct lxe_options *o);

/* The same, and null is opened where a descriptor is -1, and a spill file: both the caller's. */
int lxe_api_give_stdio(const struct lxe_options *o, struct lxe_msg *msg, int *null, int *spill,
	struct lxe_err *err);

void lxe_handle_init(struct lxe_process_handle *p, int control);

/* Does the handle belong to this process? -ECHILD. */
int lxe_handle_check(const struct lxe_process_handle *p, struct lxe_err *err);

/* Nobody tells any more how it ends: it has ended with that. */
void lxe_handle_lose(struct lxe_process_handle *p);

/* Give everything back, and let the keeper know at once, whoever else has copies. */
void lxe_handle_release(struct lxe_process_handle *p);

int lxe_handle_send(
	struct lxe_process_handle *p, const struct lxe_msg *msg, uint64_t end, struct lxe_err *err);

/*
 * Wait for one event of the connection, or for `master` (poll(2)'s bits, 0: none) on the terminal, and
 * take it: 1 when it was the terminal, 0, -ETIMEDOUT.
 */
int lxe_handle_turn(struct lxe_process_handle *p, short master, uint64_t end);

/* Take what comes until `wanted` is true (NULL: never) or it is all over: 0, or -ETIMEDOUT. */
typedef bool lxe_handle_wanted(const struct lxe_process_handle *p);
int lxe_handle_await(
	struct lxe_process_handle *p, lxe_handle_wanted *wanted, uint64_t end, struct lxe_err *err);

/* Send what is answered by OK: 0, the refusal, or the end of it as lxe_handle_failure(). */
int lxe_handle_ask(
	struct lxe_process_handle *p, const struct lxe_msg *msg, uint64_t end, struct lxe_err *err);

/* Release its parked command, and wait until it was executed. */
int lxe_sandbox_begin(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err);

/* The same for one that has ended and is kept, whose keeper ended with it: a new one takes its place. */
int lxe_api_start_again(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err);

/* The handle is the creator's of what was made; or nothing is left of that, but what was kept before. */
void lxe_api_adopt(struct lxe_sandbox_handle *s, struct lxe_make *m);
void lxe_api_abandon(struct lxe_make *m);
int lxe_api_await_created(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err);

/* Connect to one that is there, to whoever keeps it; of one that has ended, how it did. */
int lxe_api_connect(struct lxe_sandbox_handle *s, uint64_t end, struct lxe_err *err);

/* The keeper of one that is ours died: its journal is replayed here, as far as there is time. */
void lxe_sandbox_settle(struct lxe_sandbox_handle *s, uint64_t end);

/* What its outcome says, as an error. */
int lxe_handle_failure(const struct lxe_process_handle *p, struct lxe_err *err);

#endif
