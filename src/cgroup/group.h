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
	char *path;
};

struct lxe_cgroup {
	struct lxe_group_dir dir[LXE_HIERARCHIES_MAX];
	size_t n;
};

#endif
