/*
 * Build an image: a template is run through liblxc's create below STATE/images/.build-NAME, and
 * only what is complete gets its name. One build at a time per state directory; others wait. What
 * an interrupted build leaves is removed by the next one. Nothing outside the state directory is
 * changed and nothing is printed.
 */
#ifndef LXE_CONTAINER_BUILD_H
#define LXE_CONTAINER_BUILD_H

#include <stdbool.h>

#include "base/err.h"
#include "store/dirs.h"

/*
 * Build image `name` from the template lxc-NAME. An image that is there is left alone, unless it is
 * half-built or `replace` is set: then it is exchanged, or -EBUSY while a sandbox runs on it.
 * -ENOENT: there is no such template (hint: which there are). The template's output is copied to
 * log_fd unless that is negative. Blocks for as long as the template takes; links liblxc.
 */
int lxe_image_build(const struct lxe_dirs *dirs, const char *name, bool replace, int log_fd,
	struct lxe_err *err);

#endif
