/*
 * Run one of lxc-templates/ through liblxc's create, in a process of its own: with a clean
 * environment, a mount namespace in which liblxc leaves no trace, and what it prints going to the
 * caller instead of stdout and stderr. Blocks until the template and all it started have ended.
 */
#ifndef LXE_CONTAINER_TEMPLATE_H
#define LXE_CONTAINER_TEMPLATE_H

#include "base/err.h"
#include "store/dirs.h"

struct lxe_template {
	const char *path;	     /* absolute, of the executable */
	const char *lxcpath;	     /* absolute; the result is lxcpath/name/rootfs */
	const char *name;	     /* of the container */
	const struct lxe_dirs *dirs; /* stay visible to the template */
	int lock;		     /* kept open by the template and all it starts */
	int log;		     /* gets a copy of what is printed, unless negative */
};

/* On failure the message ends with the last line that was printed. */
int lxe_template_run(const struct lxe_template *t, struct lxe_err *err);

#endif
