/*
 * A command's output on its way through the keeper: only where a limit was asked for, and where it
 * has no terminal (of one with a terminal the client's relay passes the output on). Two pipes take
 * the place of the caller's files; what comes is delivered as terminal/governor.h says, by the
 * keeper's loop. Nothing here waits.
 */
#ifndef LXE_KEEPER_OUTPUT_H
#define LXE_KEEPER_OUTPUT_H

#include "keeper/loop.h"
#include "terminal/governor.h"

struct lxe_process;

struct lxe_output_stream {
	struct lxe_process *p;
	enum lxe_stream number;
	int pipe; /* -EBADF: it has ended, or nobody reads what comes */
	struct lxe_source in, out;
	bool polled; /* `out` can be waited for: a file is always ready */
	bool gone;   /* nobody takes what is delivered */
	bool ending; /* the command is gone */
	size_t rest; /* bytes that it had written, in the pipe */
};

struct lxe_output {
	struct lxe_governor *governor; /* NULL: no limit */
	int memory;		       /* its memfd, for the client */
	int lost; /* why what was to be delivered was not; 0: it was, or nobody reads */
	struct lxe_output_stream streams[LXE_STREAMS];
};

void lxe_output_init(struct lxe_process *p);
void lxe_output_release(struct lxe_process *p);

/*
 * If there is a limit: make the governor, and without a terminal the pipes, whose other ends go to
 * ends[]; they are the caller's to close.
 */
int lxe_output_open(struct lxe_process *p, int ends[LXE_STREAMS], struct lxe_err *err);

/* From here on the pipes are read. */
int lxe_output_begin(struct lxe_process *p, struct lxe_err *err);

/*
 * The command is gone: what is in the pipes now is the last of it. False: the rest is being delivered, and
 * lxe_keeper_delivered() is called when it was.
 */
bool lxe_output_end(struct lxe_process *p);

#endif
