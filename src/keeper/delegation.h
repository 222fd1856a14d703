/*
 * The cgroups of an ordinary user's sandbox: where what he was given is found, and what he asked for
 * that it cannot enforce is refused before anything is made.
 */
#ifndef LXE_KEEPER_DELEGATION_H
#define LXE_KEEPER_DELEGATION_H

#include <sys/types.h>

#include "cgroup/cgroup.h"
#include "policy/spec.h"

/*
 * The keeper of an ordinary user has his service manager put it into a scope of its own, before it is in its user
 * namespace, and waits for that when it is. Without a manager, or when that fails, it stays where it is; why is told to who asks
 * for a limit then.
 */
struct lxe_scope {
	pid_t helper; /* 0: nobody to ask */
	int said;
};

void lxe_scope_ask(struct lxe_scope *scope);
void lxe_scope_await(struct lxe_scope *scope);

int lxe_delegation_open(
	struct lxe_cgroup_host **ret, const struct lxe_spec *spec, struct lxe_err *err);

/* The remedy where a controller is lacking. */
void lxe_delegation_hint(const char *controller, struct lxe_err *err);

/*
 * The number of processes that no cgroup limits and RLIMIT_NPROC has to, 0: none. That is the default's alone:
 * it counts by user and not for the whole sandbox.
 */
uint64_t lxe_delegation_pids(const struct lxe_cgroup_host *host, const struct lxe_spec *spec);

#endif
