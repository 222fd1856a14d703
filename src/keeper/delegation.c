#include "keeper/delegation.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"

static int refuse(const char *option, const char *controller, struct lxe_err *err)
{
	if (access("/run/systemd/system", F_OK) == 0)
		lxe_hint(err, "as root: lxc-exec doctor --fix USER, then log in anew; 'lxc-exec "
			      "doctor' tells what is delegated");
	else
		lxe_hint(err,
			"have root give you a cgroup with the '%s' controller and run in it, or "
			"run as root",
			controller);
	return lxe_fail_msg(err, -EOPNOTSUPP,
		"%s cannot be enforced: the cgroup controller '%s' is not delegated to this user",
		option, controller);
}

static int check(
	const struct lxe_cgroup_host *host, const struct lxe_spec *spec, struct lxe_err *err)
{
	if (spec->memory && !lxe_cgroup_can_limit(host, LXE_CGROUP_MEMORY))
		return refuse("--memory", "memory", err);
	if (spec->pids && spec->pids != LXE_DEFAULT_PIDS &&
		!lxe_cgroup_can_limit(host, LXE_CGROUP_PIDS))
		return refuse("--pids", "pids", err);
	return 0;
}

int lxe_delegation_open(
	struct lxe_cgroup_host **ret, const struct lxe_spec *spec, struct lxe_err *err)
{
	struct lxe_cgroup_host *host = NULL;
	int r;

	r = lxe_cgroup_host_open_delegated(&host, "/proc/self/mountinfo", "/proc/self/cgroup", err);
	if (r < 0)
		return r;
	r = check(host, spec, err);
	if (r < 0) {
		lxe_cgroup_host_free(host);
		return r;
	}
	*ret = take_ptr(host);
	return 0;
}

uint64_t lxe_delegation_pids(const struct lxe_cgroup_host *host, const struct lxe_spec *spec)
{
	return lxe_cgroup_can_limit(host, LXE_CGROUP_PIDS) ? 0 : spec->pids;
}
