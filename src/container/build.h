/*
 * Build an image from the template of its name, which is run through liblxc's create (template.h), as
 * publish.h says.
 */
#ifndef LXE_CONTAINER_BUILD_H
#define LXE_CONTAINER_BUILD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "container/publish.h"
#include "container/waiter.h"
#include "store/dirs.h"

/*
 * Build image `name`, NAME or NAME:RELEASE, from the template lxc-NAME, which gets `words` (NULL: none) as further
 * options. An image that is there is left alone, unless it is
 * half-built or `replace` is there and lets it go: then it is exchanged, or -EBUSY while a sandbox runs on it, which
 * is found out before the template is run and, for what has begun since, after. Sandboxes start on
 * the old one meanwhile. -ENOENT: there is no such template (hint: which there are). -ECANCELED: the
 * waiter (NULL: poll(2)) ended it, and nothing is left. Takes as long as other builds and the
 * template do, for which there is a deadline; links liblxc.
 */
int lxe_image_build(const struct lxe_dirs *dirs, const char *name, const struct lxe_strv *words,
	lxe_image_guard *replace, const struct lxe_waiter *waiter, struct lxe_err *err);

/* Whether there is anything called lxc-NAME among the templates, be it usable or not. */
bool lxe_image_has_template(const struct lxe_dirs *dirs, const char *name);

#endif
