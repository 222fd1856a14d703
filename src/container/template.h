/*
 * Run one of lxc-templates/ through liblxc's create, in a process of its own: with a clean
 * environment, a mount namespace in which liblxc leaves no trace, and nothing of what it prints on
 * stdout and stderr. It is pid 1 of a pid namespace and dies with the caller, and all that the
 * template has started dies with it. Blocks until then.
 */
#ifndef LXE_CONTAINER_TEMPLATE_H
#define LXE_CONTAINER_TEMPLATE_H

#include "base/err.h"
#include "container/waiter.h"
#include "store/dirs.h"

struct lxe_template {
	const char *path;	     /* absolute, of the executable */
	const char *lxcpath;	     /* absolute; the result is lxcpath/name/rootfs */
	const char *name;	     /* of the container */
	char *const *argv;	     /* further words for the template; NULL: none */
	const struct lxe_dirs *dirs; /* stay visible to the template */
	int lock;		     /* kept open by the template and all it starts */
	int timeout_ms;		     /* how long it may take */
	const struct lxe_waiter *waiter;
};

/*
 * On failure the message ends with the last line that was printed. -ETIMEDOUT, or -ECANCELED when
 * the waiter said so: nothing of it is alive any more.
 */
int lxe_template_run(const struct lxe_template *t, struct lxe_err *err);

#endif
