/*
 * Build an image: a template is run through liblxc's create below STATE/images/.build-NAME, and
 * only what is complete gets its name. One build at a time per state directory; others wait. What
 * a killed builder leaves is removed by the next one, or by gc. Nothing outside the state directory is
 * changed and nothing is printed.
 */
#ifndef LXE_CONTAINER_BUILD_H
#define LXE_CONTAINER_BUILD_H

#include <stdbool.h>

#include "base/err.h"
#include "container/waiter.h"
#include "store/dirs.h"

/*
 * Build image `name` from the template lxc-NAME. An image that is there is left alone, unless it is
 * half-built or `replace` is set: then it is exchanged, or -EBUSY while a sandbox runs on it, which
 * is found out before the template is run and, for what has begun since, after. Sandboxes start on
 * the old one meanwhile. -ENOENT: there is no such template (hint: which there are). -ECANCELED: the
 * waiter (NULL: poll(2)) ended it, and nothing is left. Takes as long as other builds and the
 * template do, for which there is a deadline; links liblxc.
 */
int lxe_image_build(const struct lxe_dirs *dirs, const char *name, bool replace,
	const struct lxe_waiter *waiter, struct lxe_err *err);

/* Whether there is anything called lxc-NAME among the templates, be it usable or not. */
bool lxe_image_has_template(const struct lxe_dirs *dirs, const char *name);

#endif
