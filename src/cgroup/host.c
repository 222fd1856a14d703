#include "cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/hierarchy.h"
#include "sys/fd.h"

/* A host with thousands of containers has a long mountinfo. */
#define PROC_FILE_MAX (64U << 20)

const char *lxe_controller_name(unsigned int bit, bool v2)
{
	static const char *const names[LXE_CONTROLLERS][2] = {
		{ "memory", "memory" },
		{ "pids", "pids" },
		{ "cpu", "cpu" },
		{ "cpuset", "cpuset" },
		{ "blkio", "io" },
		{ "cpuacct", NULL },
	};

	return names[bit][v2];
}

unsigned int lxe_cgroup_controllers_in(const char *list, const char *separators, bool v2)
{
	unsigned int found = 0;

	for (unsigned int bit = 0; bit < LXE_CONTROLLERS; bit++) {
		const char *name = lxe_controller_name(bit, v2);

		if (name && lxe_cgroup_has_word(list, separators, name))
			found |= 1U << bit;
	}
	return found;
}

static int check_root(const struct lxe_hierarchy *h, int root, struct lxe_err *err)
{
	struct statfs fs;

	if (fstatfs(root, &fs) < 0)
		return lxe_fail(err, -errno, "look at the cgroup mount '%s'", h->mount);
	if (fs.f_type == (h->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
		return 0;
	lxe_hint(err, "something is mounted over it; unmount that");
	return lxe_fail_msg(
		err, -ENODEV, "'%s' is not the cgroup mount that it should be", h->mount);
}

int lxe_hierarchy_open(const struct lxe_hierarchy *h, struct lxe_err *err)
{
	LXE_AUTOCLOSE int root = open(h->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (root < 0)
		return lxe_fail(err, -errno, "open the cgroup mount '%s'", h->mount);
	r = check_root(h, root, err);
	return r < 0 ? r : take_fd(&root);
}

int lxe_cgroup_open_roots(struct lxe_cgroup_host *host, struct lxe_err *err)
{
	for (size_t i = 0; i < host->n; i++) {
		struct lxe_hierarchy *h = &host->hierarchy[i];

		h->root = lxe_hierarchy_open(h, err);
		if (h->root < 0)
			return h->root;
	}
	return 0;
}

static const char *first_name(unsigned int set)
{
	return set & LXE_CONTROLLER_MEMORY ? "memory" : "pids";
}

/* What v2 is needed for must be on offer: a controller is in one hierarchy at a time. */
static int check_v2_controllers(const struct lxe_hierarchy *h, struct lxe_err *err)
{
	char list[512];
	unsigned int lacking;
	ssize_t n;

	n = sys_read_file(h->root, "cgroup.controllers", list, sizeof(list));
	if (n < 0)
		return lxe_fail(err, (int)n, "read '%s/cgroup.controllers'", h->mount);
	lacking = h->controllers & ~lxe_cgroup_controllers_in(list, " \n", true);
	if (!lacking)
		return 0;
	lxe_hint(err, "delegate it to this place, or boot with cgroup_enable=%s",
		first_name(lacking));
	return lxe_fail_msg(err, -ENODEV,
		"the cgroup v2 mount '%s' does not offer the '%s' controller", h->mount,
		first_name(lacking));
}

static int fail_missing(
	const struct lxe_cgroup_host *host, unsigned int missing, struct lxe_err *err)
{
	const char *name = first_name(missing);

	if (host->mode == LXE_CGROUP_NONE) {
		lxe_hint(err, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
		return lxe_fail_msg(err, -ENODEV, "no cgroup hierarchy is mounted");
	}
	lxe_hint(err,
		"mount -t cgroup -o %s cgroup /sys/fs/cgroup/%s, or boot with cgroup_enable=%s",
		name, name, name);
	return lxe_fail_msg(err, -ENODEV,
		"no mounted cgroup hierarchy has the '%s' controller and this process in it", name);
}

static int slurp(const char *path, char **ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len;
	int r;

	if (fd < 0)
		return lxe_fail(err, -errno, "open '%s'", path);
	r = sys_read_whole(fd, PROC_FILE_MAX, ret, &len);
	return r < 0 ? lxe_fail(err, r, "read '%s'", path) : 0;
}

int lxe_cgroup_find(struct lxe_cgroup_host *host, const char *mountinfo, const char *self,
	unsigned int *missing, struct lxe_err *err)
{
	LXE_AUTOFREE char *mounts = NULL, *own = NULL;
	int r;

	r = slurp(mountinfo, &mounts, err);
	if (r < 0)
		return r;
	r = slurp(self, &own, err);
	if (r < 0)
		return r;
	*missing = lxe_cgroup_parse(host, mounts, own);
	return 0;
}

static struct lxe_cgroup_host *new_host(struct lxe_err *err)
{
	struct lxe_cgroup_host *host = calloc(1, sizeof(*host));

	for (size_t i = 0; host && i < LXE_HIERARCHIES_MAX; i++)
		host->hierarchy[i].root = -EBADF;
	if (!host)
		lxe_fail(err, -ENOMEM, "find the cgroup hierarchies");
	return host;
}

/* The unit that conf/systemd has for root's sandboxes; without it they are at the top, outside of any. */
static void use_unit(struct lxe_hierarchy *h)
{
	if (h->v2 && h->controllers && !h->own[0] &&
		faccessat(h->root, LXE_CGROUP_UNIT, F_OK, 0) == 0)
		lxe_format(h->own, sizeof(h->own), "%s", LXE_CGROUP_UNIT);
}

int lxe_cgroup_host_open(
	struct lxe_cgroup_host **ret, const char *mountinfo, const char *self, struct lxe_err *err)
{
	struct lxe_cgroup_host *host = new_host(err);
	unsigned int missing = 0;
	int r;

	if (!host)
		return -ENOMEM;
	r = lxe_cgroup_find(host, mountinfo, self, &missing, err);
	if (r == 0 && missing)
		r = fail_missing(host, missing, err);
	if (r == 0)
		r = lxe_cgroup_open_roots(host, err);
	for (size_t i = 0; r == 0 && i < host->n; i++) {
		if (!host->hierarchy[i].v2)
			continue;
		use_unit(&host->hierarchy[i]);
		r = check_v2_controllers(&host->hierarchy[i], err);
	}
	if (r < 0) {
		lxe_cgroup_host_free(host);
		return r;
	}
	*ret = host;
	return 0;
}

int lxe_cgroup_host_none(struct lxe_cgroup_host **ret, struct lxe_err *err)
{
	*ret = new_host(err);
	return *ret ? 0 : -ENOMEM;
}

void lxe_cgroup_host_free(struct lxe_cgroup_host *host)
{
	if (!host)
		return;
	for (size_t i = 0; i < LXE_HIERARCHIES_MAX; i++)
		lxe_close(host->hierarchy[i].root);
	free(host);
}

enum lxe_cgroup_mode lxe_cgroup_host_mode(const struct lxe_cgroup_host *host)
{
	return host->mode;
}

int lxe_cgroup_paths(const struct lxe_cgroup_host *host, const char *name, struct lxe_strv *ret)
{
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < host->n; i++) {
		const struct lxe_hierarchy *h = &host->hierarchy[i];

		r = lxe_format(path, sizeof(path), "%s/%s%s%s", h->mount, h->own,
			h->own[0] ? "/" : "", name);
		if (r == 0)
			r = lxe_strv_add(ret, path);
	}
	return r;
}
