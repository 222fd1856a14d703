/* A keeper of a test's own with an event loop and nothing else, which lxe_keeper_clean_up() ends. */
#ifndef LXE_TESTS_KEEPER_FIXTURE_H
#define LXE_TESTS_KEEPER_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>

#include "keeper/keeper.h"

static inline void keeper_begin(struct lxe_keeper *k)
{
	*k = (struct lxe_keeper){
		.sandbox = LXE_SANDBOX_NONE, .signals = -EBADF, .listening = -EBADF
	};
	k->connected.fd = k->signalled.fd = -EBADF;
	cr_assert_eq(lxe_loop_new(&k->loop), 0);
}

#endif
