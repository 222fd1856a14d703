/*
 * One run as its client sees it: the keeper on one side, the caller's stdio on the other. Internal to
 * client/.
 */
#ifndef LXE_CLIENT_SESSION_H
#define LXE_CLIENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/attach.h"
#include "client/registry.h"
#include "policy/spec.h"
#include "proto/msg.h"
#include "store/dirs.h"
#include "store/outcome.h"
#include "store/sandbox.h"
#include "terminal/gate.h"
#include "terminal/governor.h"
#include "terminal/rawtty.h"
#include "terminal/relay.h"
#include "terminal/ring.h"

enum lxe_phase {
	LXE_PHASE_STARTING, /* the keeper makes the sandbox */
	LXE_PHASE_BUILDING, /* and has said that it takes longer: BUILDING */
	LXE_PHASE_RUNNING,
	LXE_PHASE_LINGERING, /* the command is gone; late output may come */
	LXE_PHASE_DELIVERING, /* the reader of limited output gets the rest, and then the record its figures */
	LXE_PHASE_ENDING, /* the keeper tears down */
	LXE_PHASE_DONE,	  /* the outcome is here; what the pty still holds is delivered */
};

enum lxe_session_kind {
	LXE_SESSION_RUN,
	LXE_SESSION_CREATE, /* until the command is parked */
	LXE_SESSION_EXEC,   /* in a sandbox that is there */
	LXE_SESSION_ATTACH, /* the terminal of one that is there */
};

struct lxe_session {
	enum lxe_session_kind kind;
	struct lxe_spec *spec;
	const struct lxe_dirs *dirs;
	struct lxe_outcome *outcome;

	uint64_t begun_us, started_ms;
	enum lxe_phase phase;
	bool has_outcome;
	bool patience_over; /* the time for the pty's last bytes has passed */
	bool given_up;	    /* and that of the run for who should read them */
	bool probing;	    /* the gate's timer is set */
	int signal;	    /* the fatal signal that we got first, 0: none */

	struct lxe_place place; /* EXEC, ATTACH; CREATE: one that is started again */
	const struct lxe_attach *attach;
	enum lxe_left left; /* ATTACH: why it has ended */
	/* Before the terminal is given back: ATTACH alone has something to undo on it. */
	void (*leave)(struct lxe_session *s);
	int bell;      /* rung for watchers; -EBADF: there are none */
	pid_t created; /* CREATE: the parked command */
	bool started;  /* its command was released */
	bool detached; /* the sandbox lives on without us */

	struct lxe_sandbox sandbox; /* ours until the keeper has it */
	int keeper_status;	    /* its wait status, once reaped */
	pid_t keeper;		    /* 0: none, or reaped */
	int control, signals, result;
	int deadline; /* timerfd: of the phase */
	int probe;    /* timerfd: the gate's next look */

	int secrets;		       /* memfd with their values */
	int changes;		       /* memfd: what there is to be said of changes at the end */
	int learn;		       /* the file that gets what is learnt */
	int spill;		       /* the file that gets all output */
	struct lxe_governor *governor; /* of the output, where a limit was asked for */

	struct lxe_rawtty tty;
	int in, out; /* our own descriptions of stdin and stdout, when there is a terminal */
	int master, procs;
	struct lxe_ring *ring;
	struct lxe_relay *relay;
	struct lxe_gate *gate;
};

/* run.c: from the caller's terminal to the end; everything is closed afterwards. */
int lxe_session_run(struct lxe_session *s, struct lxe_err *err);

/* loop.c: relay and wait until the outcome is here or the keeper is gone. */
int lxe_session_loop(struct lxe_session *s, struct lxe_err *err);

/* reap.c: kill the keeper, where it has not answered, or await its end as long as that is about us. */
void lxe_session_end_keeper(struct lxe_session *s);

/* begin.c: a new sandbox, whose keeper has its request. */
int lxe_session_make(struct lxe_session *s, struct lxe_err *err);

/* begin.c: one more command in a sandbox that is there. */
int lxe_session_join(struct lxe_session *s, struct lxe_err *err);

/* attach.c: ask for the driver's seat; draw what the terminal shows; let go of it. */
int lxe_session_attach(struct lxe_session *s, struct lxe_err *err);
int lxe_session_redraw(struct lxe_session *s);
void lxe_session_yield(struct lxe_session *s);

/* output.c: see there */
int lxe_session_prepare_output(struct lxe_session *s, struct lxe_err *err);
int lxe_session_take_governor(struct lxe_session *s, struct lxe_msg *started);
void lxe_session_save_output(struct lxe_session *s);
void lxe_session_close_output(struct lxe_session *s);

/* settle.c: do with its changes what was asked for, and say so; what there is to read about it. */
void lxe_session_settle(struct lxe_session *s, const struct lxe_outcome *ended);
/* Had a commit begun that was not finished? */
bool lxe_session_is_marked(const struct lxe_session *s);
void lxe_session_show_changes(const struct lxe_session *s);

/* run.c: the caller's files, or its terminal, as part of a request. */
void lxe_session_give_stdio(const struct lxe_session *s, struct lxe_msg *msg);

/* terminal.c: the terminal's side of a session. */
int lxe_session_open_terminal(struct lxe_session *s, struct lxe_err *err);
int lxe_session_start_relay(struct lxe_session *s, struct lxe_msg *started);
void lxe_session_watch_gate(struct lxe_session *s, bool timer_fired);
void lxe_session_note_size(struct lxe_session *s); /* in the spec, from the caller's window */
void lxe_session_resize(struct lxe_session *s);	   /* the pty's window as the caller's */
void lxe_session_close_terminal(struct lxe_session *s);

#endif
