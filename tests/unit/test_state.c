#include "keeper/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>

#define STATES (LXE_GONE + 1)

Test(state, each_step_is_allowed_or_refused_as_in_the_table)
{
	/* Row: from; column: to; creating, created, running, stopped, failed, gone. */
	static const bool allowed[STATES][STATES] = {
		{ 0, 1, 0, 0, 1, 0 },
		{ 0, 0, 1, 1, 1, 0 },
		{ 0, 0, 0, 1, 1, 0 },
		{ 0, 0, 0, 0, 0, 1 },
		{ 0, 0, 0, 0, 0, 1 },
		{ 0, 0, 0, 0, 0, 0 },
	};

	for (int from = 0; from < STATES; from++) {
		for (int to = 0; to < STATES; to++) {
			enum lxe_state state = (enum lxe_state)from;
			int r = lxe_state_move(&state, (enum lxe_state)to);

			cr_assert_eq(r, allowed[from][to] ? 0 : -EINVAL, "%d to %d", from, to);
			cr_assert_eq(
				(int)state, allowed[from][to] ? to : from, "%d to %d", from, to);
		}
	}
}

Test(state, a_process_goes_forward_or_ends)
{
	for (int from = 0; from <= LXE_PROCESS_ENDED; from++) {
		for (int to = 0; to <= LXE_PROCESS_ENDED; to++) {
			enum lxe_process_state state = (enum lxe_process_state)from;
			bool legal = from != LXE_PROCESS_ENDED &&
				     (to == from + 1 || to == LXE_PROCESS_ENDED);
			int r = lxe_process_move(&state, (enum lxe_process_state)to);

			cr_assert_eq(r == 0, legal, "%d to %d", from, to);
			cr_assert_eq((int)state, legal ? to : from);
		}
	}
}
