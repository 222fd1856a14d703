/* The environment that the command begins with: clean, a few well-known names, and what was asked for. */
#ifndef LXE_KEEPER_ENVIRONMENT_H
#define LXE_KEEPER_ENVIRONMENT_H

#include "base/err.h"
#include "keeper/user.h"
#include "policy/spec.h"

/* K=V strings; of a name that was set twice the last one stays. Pure. */
int lxe_environment(struct lxe_strv *ret, const struct lxe_spec *spec, const struct lxe_user *user,
	struct lxe_err *err);

#endif
