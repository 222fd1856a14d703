#include "keeper/state.h"

#include <errno.h>

#define TO(state) (1U << (state))

static const unsigned int next[] = {
	[LXE_CREATING] = TO(LXE_CREATED) | TO(LXE_FAILED),
	[LXE_CREATED] = TO(LXE_RUNNING) | TO(LXE_STOPPED) | TO(LXE_FAILED),
	[LXE_RUNNING] = TO(LXE_STOPPED) | TO(LXE_FAILED),
	[LXE_STOPPED] = TO(LXE_GONE),
	[LXE_FAILED] = TO(LXE_GONE),
	[LXE_GONE] = 0,
};

int lxe_state_move(enum lxe_state *state, enum lxe_state to)
{
	if (!(next[*state] & TO(to)))
		return -EINVAL;
	*state = to;
	return 0;
}

static const unsigned int process_next[] = {
	[LXE_PROCESS_NEW] = TO(LXE_PROCESS_ENTERING) | TO(LXE_PROCESS_ENDED),
	[LXE_PROCESS_ENTERING] = TO(LXE_PROCESS_PARKING) | TO(LXE_PROCESS_ENDED),
	[LXE_PROCESS_PARKING] = TO(LXE_PROCESS_PARKED) | TO(LXE_PROCESS_ENDED),
	[LXE_PROCESS_PARKED] = TO(LXE_PROCESS_RELEASED) | TO(LXE_PROCESS_ENDED),
	[LXE_PROCESS_RELEASED] = TO(LXE_PROCESS_RUNNING) | TO(LXE_PROCESS_ENDED),
	[LXE_PROCESS_RUNNING] = TO(LXE_PROCESS_ENDED),
	[LXE_PROCESS_ENDED] = 0,
};

int lxe_process_move(enum lxe_process_state *state, enum lxe_process_state to)
{
	if (!(process_next[*state] & TO(to)))
		return -EINVAL;
	*state = to;
	return 0;
}

const char *lxe_state_name(enum lxe_state state)
{
	static const char *const names[] = {
		[LXE_CREATING] = "creating",
		[LXE_CREATED] = "created",
		[LXE_RUNNING] = "running",
		[LXE_STOPPED] = "stopped",
		[LXE_FAILED] = "failed",
		[LXE_GONE] = "gone",
	};

	return names[state];
}
