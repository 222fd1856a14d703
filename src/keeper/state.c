#include "keeper/state.h"

#include <errno.h>

#define TO(state) (1U << (state))

static const struct {
	const char *name;
	unsigned int next;
} states[] = {
	[LXE_CREATING] = { "creating", TO(LXE_CREATED) | TO(LXE_FAILED) },
	[LXE_CREATED] = { "created", TO(LXE_RUNNING) | TO(LXE_FAILED) },
	[LXE_RUNNING] = { "running", TO(LXE_STOPPED) | TO(LXE_FAILED) },
	[LXE_STOPPED] = { "stopped", TO(LXE_GONE) },
	[LXE_FAILED] = { "failed", TO(LXE_GONE) },
	[LXE_GONE] = { "gone", 0 },
};

const char *lxe_state_name(enum lxe_state state)
{
	return states[state].name;
}

int lxe_state_move(enum lxe_state *state, enum lxe_state to)
{
	if (!(states[*state].next & TO(to)))
		return -EINVAL;
	*state = to;
	return 0;
}
