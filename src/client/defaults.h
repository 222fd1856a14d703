/* What an image says of the commands that are run in it (store/imageconfig.h), where the caller says nothing else. */
#ifndef LXE_CLIENT_DEFAULTS_H
#define LXE_CLIENT_DEFAULTS_H

#include "policy/spec.h"
#include "store/dirs.h"
#include "store/imageconfig.h"

struct lxe_defaults {
	struct lxe_image_config config;
	struct lxe_strv env; /* the image's, and behind it the caller's, which wins */
};

/* Of the image that the spec names; one that says nothing, or is not there yet, leaves it empty. */
int lxe_defaults_read(struct lxe_defaults *ret, const struct lxe_spec *spec,
	const struct lxe_dirs *dirs, struct lxe_err *err);
void lxe_defaults_release(struct lxe_defaults *defaults);

/* Fill in what the spec does not say; its command as well. */
int lxe_defaults_apply(struct lxe_spec *spec, const struct lxe_dirs *dirs, struct lxe_err *err);

#endif
