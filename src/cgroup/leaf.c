#include "cgroup/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

struct lxe_cgroup_leaf {
	int dir;
	bool v2;
	int procs;
	int tasks[LXE_HIERARCHIES_MAX]; /* of the v1 groups to enter */
	size_t n_tasks;
};

static int open_tasks(struct lxe_cgroup_leaf *leaf, int dir)
{
	int fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	leaf->tasks[leaf->n_tasks++] = fd;
	return 0;
}

static int open_dir(struct lxe_cgroup_leaf *leaf, const struct lxe_group_dir *d, const char *name)
{
	if (mkdirat(d->fd, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	leaf->v2 = d->v2;
	leaf->dir = openat(d->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (leaf->dir < 0)
		return -errno;
	leaf->procs = openat(leaf->dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	return leaf->procs < 0 ? -errno : 0;
}

static int open_all(struct lxe_cgroup_leaf *leaf, const struct lxe_cgroup *cg, const char *name,
	struct lxe_err *err)
{
	int r;

	for (size_t i = 0; i < cg->n; i++) {
		const struct lxe_group_dir *d = &cg->dir[i];

		r = d->leaves ? open_dir(leaf, d, name) : 0;
		if (r == 0 && !d->v2)
			r = open_tasks(leaf, d->leaves ? leaf->dir : d->fd);
		if (r < 0)
			return lxe_fail(err, r, "make cgroup '%s/%s'", d->path, name);
	}
	return 0;
}

static int leaf_open(struct lxe_cgroup_leaf **ret, const struct lxe_cgroup *cg, const char *name,
	struct lxe_err *err)
{
	struct lxe_cgroup_leaf *leaf = calloc(1, sizeof(*leaf));
	int r;

	if (!leaf)
		return lxe_fail(err, -ENOMEM, "make cgroup '%s'", name);
	leaf->dir = leaf->procs = -EBADF;
	r = open_all(leaf, cg, name, err);
	if (r < 0) {
		lxe_cgroup_leaf_free(leaf);
		return r;
	}
	*ret = leaf;
	return 0;
}

int lxe_cgroup_leaf_init(struct lxe_cgroup_leaf **ret, struct lxe_cgroup *cg, struct lxe_err *err)
{
	return leaf_open(ret, cg, "init", err);
}

int lxe_cgroup_leaf_exec(struct lxe_cgroup_leaf **ret, struct lxe_cgroup *cg, unsigned int number,
	struct lxe_err *err)
{
	char name[16];
	int r = lxe_format(name, sizeof(name), "x%u", number);

	return r < 0 ? r : leaf_open(ret, cg, name, err);
}

void lxe_cgroup_leaf_free(struct lxe_cgroup_leaf *leaf)
{
	if (!leaf)
		return;
	for (size_t i = 0; i < leaf->n_tasks; i++)
		lxe_close(leaf->tasks[i]);
	lxe_close(leaf->procs);
	lxe_close(leaf->dir);
	free(leaf);
}

int lxe_cgroup_leaf_fork_fd(const struct lxe_cgroup_leaf *leaf)
{
	return leaf->v2 ? leaf->dir : -EBADF;
}

int lxe_cgroup_leaf_enter(const struct lxe_cgroup_leaf *leaf)
{
	for (size_t i = 0; i < leaf->n_tasks; i++) {
		ssize_t n;

		do {
			n = write(leaf->tasks[i], "0", 1);
		} while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
	}
	return 0;
}

int lxe_cgroup_leaf_procs_fd(const struct lxe_cgroup_leaf *leaf)
{
	return leaf->procs;
}

int lxe_cgroup_leaf_kill(const struct lxe_cgroup_leaf *leaf)
{
	return leaf->dir < 0 ? -ENODEV : lxe_cgroup_kill_tree(leaf->dir);
}
