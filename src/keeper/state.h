/*
 * The states of a sandbox and those of a process in it, and the only functions that say which may
 * follow which. Pure.
 *
 *                       ┌──────────────────┐
 *   creating ──► created ──► running ──► stopped ──► gone
 *       └───────────┴───────────┴──► failed ──────────┘
 *
 *   new ──► entering ──► parking ──► parked ──► released ──► running ──► ended
 *    └──────────┴───────────┴───────────┴──────────┴───────────────────────┘
 */
#ifndef LXE_KEEPER_STATE_H
#define LXE_KEEPER_STATE_H

enum lxe_state {
	LXE_CREATING, /* its parts are being made */
	LXE_CREATED,  /* the command is parked right before execve */
	LXE_RUNNING,
	LXE_STOPPED, /* the command is gone */
	LXE_FAILED,
	LXE_GONE, /* torn down */
};

/* Move *state on: 0, or -EINVAL (and nothing changed) for a step that the table does not have. */
int lxe_state_move(enum lxe_state *state, enum lxe_state to);

const char *lxe_state_name(enum lxe_state state);

enum lxe_process_state {
	LXE_PROCESS_NEW,
	LXE_PROCESS_ENTERING, /* the starter attaches it; its pid is not known yet */
	LXE_PROCESS_PARKING,  /* it puts its policy on */
	LXE_PROCESS_PARKED,   /* it waits right before execve */
	LXE_PROCESS_RELEASED, /* execve is not known to have succeeded */
	LXE_PROCESS_RUNNING,
	LXE_PROCESS_ENDED, /* reaped, or it never came to be */
};

int lxe_process_move(enum lxe_process_state *state, enum lxe_process_state to);

#endif
