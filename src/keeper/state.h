/*
 * The states of a sandbox, and the only function that says which may follow which. Pure.
 *
 *   creating ──► created ──► running ──► stopped ──► gone
 *       └───────────┴───────────┴──► failed ──────────┘
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

#endif
