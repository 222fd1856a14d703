/*
 * The hierarchies of an ordinary user: those in which his own group is his to make groups in. What
 * is not is left out, with its controllers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/hierarchy.h"
#include "sys/fd.h"

#define KEEPER_GROUP LXE_CGROUP_PREFIX "keeper"

bool lxe_hierarchy_is_writable(const struct lxe_hierarchy *h, int own)
{
	return faccessat(own, ".", W_OK | X_OK, AT_EACCESS) == 0 &&
	       faccessat(own, h->v2 ? "cgroup.procs" : "tasks", W_OK, AT_EACCESS) == 0;
}

/* v2: what was delegated to our group may be less than what the host has. */
static unsigned int offered(int own)
{
	char list[512];

	if (sys_read_file(own, "cgroup.controllers", list, sizeof(list)) < 0)
		return 0;
	return lxe_cgroup_controllers_in(list, " \n", true);
}

/*
 * v2: a group that passes controllers on holds no process itself. If it was made for us, the keeper
 * is the only one in it and steps aside; if there is anybody else, it has none to give.
 */
static int step_aside(int own)
{
	LXE_AUTOCLOSE int aside = -EBADF;
	char list[64], only[16];
	ssize_t n = sys_read_file(own, "cgroup.procs", list, sizeof(list));

	snprintf(only, sizeof(only), "%d\n", getpid());
	if (n < 0 || strcmp(list, only) != 0)
		return -EBUSY;
	if (mkdirat(own, KEEPER_GROUP, 0755) < 0 && errno != EEXIST)
		return -errno;
	aside = openat(own, KEEPER_GROUP, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return aside < 0 ? -errno : sys_write_file(aside, "cgroup.procs", "0");
}

static bool keep(struct lxe_hierarchy *h)
{
	LXE_AUTOCLOSE int own = lxe_cgroup_open_below(h->root, h->self, O_PATH | O_DIRECTORY);

	if (own < 0 || !lxe_hierarchy_is_writable(h, own))
		return false;
	memcpy(h->own, h->self, sizeof(h->own));
	if (h->v2 && h->controllers) {
		h->controllers &= offered(own);
		if (h->controllers && step_aside(own) < 0)
			h->controllers = 0;
	}
	return true;
}

static void keep_writable(struct lxe_cgroup_host *host)
{
	size_t n = 0;
	bool v2 = false, v1 = false;

	for (size_t i = 0; i < host->n; i++) {
		struct lxe_hierarchy *h = &host->hierarchy[i];

		h->leaves = false;
		if (!keep(h)) {
			lxe_drop_fd(&h->root);
			continue;
		}
		*(h->v2 ? &v2 : &v1) = true;
		if (n != i) {
			host->hierarchy[n] = *h;
			h->root = -EBADF;
		}
		n++;
	}
	for (size_t i = host->n; i < host->n_known; i++)
		host->hierarchy[n + i - host->n] = host->hierarchy[i];
	host->n_known -= host->n - n;
	host->n = n;
	host->delegated = true;
	if (n)
		host->hierarchy[n - 1].leaves = true;
	host->mode = v1 && v2 ? LXE_CGROUP_HYBRID
		     : v2     ? LXE_CGROUP_V2
		     : v1     ? LXE_CGROUP_V1
			      : LXE_CGROUP_NONE;
}

int lxe_cgroup_host_open_delegated(
	struct lxe_cgroup_host **ret, const char *mountinfo, const char *self, struct lxe_err *err)
{
	struct lxe_cgroup_host *host = NULL;
	unsigned int missing;
	int r;

	r = lxe_cgroup_host_none(&host, err);
	if (r < 0)
		return r;
	r = lxe_cgroup_find(host, mountinfo, self, &missing, err);
	if (r == 0)
		r = lxe_cgroup_open_roots(host, err);
	if (r < 0) {
		lxe_cgroup_host_free(host);
		return r;
	}
	keep_writable(host);
	*ret = host;
	return 0;
}

bool lxe_cgroup_can_limit(const struct lxe_cgroup_host *host, enum lxe_cgroup_resource what)
{
	unsigned int bit = what == LXE_CGROUP_MEMORY ? LXE_CONTROLLER_MEMORY : LXE_CONTROLLER_PIDS;

	for (size_t i = 0; i < host->n; i++)
		if (host->hierarchy[i].controllers & bit)
			return true;
	return false;
}
