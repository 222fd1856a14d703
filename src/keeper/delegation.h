/*
 * The cgroups of an ordinary user's sandbox: where what he was given is found, and what he asked for
 * that it cannot enforce is refused before anything is made.
 */
#ifndef LXE_KEEPER_DELEGATION_H
#define LXE_KEEPER_DELEGATION_H

#include "cgroup/cgroup.h"
#include "policy/spec.h"

int lxe_delegation_open(
	struct lxe_cgroup_host **ret, const struct lxe_spec *spec, struct lxe_err *err);

/*
 * The number of processes that no cgroup limits and RLIMIT_NPROC has to, 0: none. That is the default's alone:
 * it counts by user and not for the whole sandbox.
 */
uint64_t lxe_delegation_pids(const struct lxe_cgroup_host *host, const struct lxe_spec *spec);

#endif
