#include "keeper/state.h"

#include <errno.h>

#define TO(state) (1U << (state))

static const unsigned int next[] = {
	[LXE_CREATING] = TO(LXE_CREATED) | TO(LXE_FAILED),
	[LXE_CREATED] = TO(LXE_RUNNING) | TO(LXE_FAILED),
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
