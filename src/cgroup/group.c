#include "cgroup/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"

static int fail_make(struct lxe_err *err, int r, const char *path)
{
	if (r == -EACCES || r == -EPERM)
		lxe_hint(err, "run as root, or from a cgroup that is delegated to you");
	else if (r == -EROFS)
		lxe_hint(err,
			"the cgroup file system is mounted read-only here; remount it read-write");
	return lxe_fail(err, r, "make cgroup '%s'", path);
}

/* v2: a group has only the controllers that its parent lists in cgroup.subtree_control. */
static int enable_controllers(
	int parent, const char *path, unsigned int controllers, struct lxe_err *err)
{
	char list[512], wanted[64] = "";
	size_t used = 0;
	ssize_t n;
	int r;

	n = sys_read_file(parent, "cgroup.subtree_control", list, sizeof(list));
	if (n < 0)
		return lxe_fail(err, (int)n, "read '%s/cgroup.subtree_control'", path);
	controllers &= ~lxe_cgroup_controllers_in(list, " \n", true);
	for (unsigned int bit = 0; bit < LXE_CONTROLLERS; bit++)
		if (controllers & 1U << bit && lxe_controller_name(bit, true))
			used += (size_t)snprintf(wanted + used, sizeof(wanted) - used, "%s+%s",
				used ? " " : "", lxe_controller_name(bit, true));
	if (!used)
		return 0;
	r = sys_write_file(parent, "cgroup.subtree_control", wanted);
	if (r == 0)
		return 0;
	lxe_hint(err, "run as root, outside of containers that hide the top of the cgroup tree");
	return lxe_fail(err, r, "write '%s' to '%s/cgroup.subtree_control'", wanted, path);
}

static int make_dir(struct lxe_group_dir *d, const struct lxe_hierarchy *h, const char *name,
	struct lxe_err *err)
{
	LXE_AUTOCLOSE int parent = lxe_cgroup_open_below(h->root, h->own, O_PATH | O_DIRECTORY);
	int r;

	if (parent < 0)
		return lxe_fail(err, parent, "open '%s/%s'", h->mount, h->own);
	if (h->v2 && h->controllers) {
		r = enable_controllers(parent, h->mount, h->controllers, err);
		if (r < 0)
			return r;
	}
	if (mkdirat(parent, name, 0755) < 0)
		return fail_make(err, -errno, d->path);
	d->fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd < 0)
		return lxe_fail(err, -errno, "open cgroup '%s'", d->path);
	/* A v1 cpuset is empty at first, and nobody can be in it. */
	if (!h->v2 && (h->offers & LXE_CONTROLLER_CPUSET)) {
		r = lxe_cpuset_inherit(parent, d->fd);
		if (r < 0)
			return lxe_fail(err, r, "fill the cpuset of '%s'", d->path);
	}
	if (d->accounts && h->v2) {
		r = enable_controllers(d->fd, d->path, d->accounts, err);
		if (r < 0)
			return r;
	}
	if ((h->leaves || d->accounts) && mkdirat(d->fd, "init", 0755) < 0)
		return fail_make(err, -errno, d->path);
	return 0;
}

/* What happens to one command must not look as if it had happened to another. */
static unsigned int counts_leaves(
	const struct lxe_hierarchy *h, const struct lxe_cgroup_limits *limits)
{
	return h->controllers & ((limits->memory ? LXE_CONTROLLER_MEMORY : 0U) |
					(limits->pids_of_each ? LXE_CONTROLLER_PIDS : 0U) |
					(limits->cpu_time ? LXE_CONTROLLER_CPUACCT : 0U));
}

static int make_dirs(struct lxe_cgroup *cg, const struct lxe_cgroup_host *host, const char *name,
	const struct lxe_cgroup_limits *limits, struct lxe_err *err)
{
	struct lxe_strv paths = { 0 };
	int r = lxe_cgroup_paths(host, name, &paths);

	if (r < 0)
		r = lxe_fail(err, r, "make cgroup '%s'", name);
	for (size_t i = 0; r == 0 && i < host->n; i++) {
		const struct lxe_hierarchy *h = &host->hierarchy[i];
		struct lxe_group_dir *d = &cg->dir[cg->n++];

		*d = (struct lxe_group_dir){
			.fd = -EBADF,
			.controllers = h->controllers,
			.v2 = h->v2,
			.leaves = h->leaves,
			.accounts = counts_leaves(h, limits),
			.path = take_ptr(paths.v[i]),
		};
		r = make_dir(d, h, name, err);
	}
	lxe_strv_release(&paths);
	return r;
}

int lxe_cgroup_create(struct lxe_cgroup **ret, const struct lxe_cgroup_host *host, const char *name,
	const struct lxe_cgroup_limits *limits, struct lxe_err *err)
{
	struct lxe_cgroup *cg;
	int r;

	if (!lxe_cgroup_name_ok(name))
		return lxe_fail_msg(err, -EINVAL,
			"make cgroup '%s': the name does not begin with '" LXE_CGROUP_PREFIX "'",
			name);
	cg = calloc(1, sizeof(*cg));
	if (!cg)
		return lxe_fail(err, -ENOMEM, "make cgroup '%s'", name);
	r = make_dirs(cg, host, name, limits, err);
	if (r == 0)
		r = lxe_cgroup_limit(cg, limits, err);
	if (r < 0) {
		lxe_cgroup_free(cg);
		return r;
	}
	*ret = cg;
	return 0;
}

void lxe_cgroup_free(struct lxe_cgroup *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->n; i++) {
		lxe_close(cg->dir[i].fd);
		free(cg->dir[i].path);
	}
	free(cg);
}

int lxe_cgroup_hide(struct lxe_err *err)
{
	unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount("tmpfs", "/sys/fs/cgroup", "tmpfs", flags, "size=4k,mode=555") < 0)
		return lxe_fail(err, -errno, "cover '/sys/fs/cgroup'");
	return 0;
}
