/*
 * One sandbox's groups as the files of this folder see them. Not for other folders.
 */
#ifndef LXE_CGROUP_GROUP_H
#define LXE_CGROUP_GROUP_H

#include "cgroup/hierarchy.h"

struct lxe_group_dir {
	int fd; /* of the group in one hierarchy */
	unsigned int controllers;
	bool v2, leaves;
	unsigned int accounts; /* controllers in which leaves are told apart; v1's cpuacct is one */
	char *path;
};

struct lxe_cgroup {
	struct lxe_group_dir dir[LXE_HIERARCHIES_MAX];
	size_t n;
};

/* v1: a new group of a hierarchy with cpuset may use what its parent may. */
int lxe_cpuset_inherit(int parent, int dir);

/* Set a file to a number and read it back; the kernel may round down to a multiple of `unit`. */
int lxe_cgroup_set_number(const struct lxe_group_dir *d, const char *file, uint64_t value,
	uint64_t unit, struct lxe_err *err);

/* The number in a file, "max" being UINT64_MAX; and the one after `key` in a file of such lines. */
int lxe_cgroup_get_number(int dir, const char *file, uint64_t *ret);
int lxe_cgroup_get_counter(int dir, const char *file, const char *key, uint64_t *ret);

int lxe_cgroup_set_cpus(const struct lxe_group_dir *d, uint64_t cpus, struct lxe_err *err);
int lxe_cgroup_set_cpuset(const struct lxe_group_dir *d, const char *list, struct lxe_err *err);
int lxe_cgroup_set_io(
	const struct lxe_group_dir *d, const struct lxe_cgroup_io *io, struct lxe_err *err);

#endif
