/*
 * The limits of a sandbox as inspect shows them: null where there is none. What was asked for, not
 * what is used of it.
 */
#ifndef LXE_CLI_LIMITS_JSON_H
#define LXE_CLI_LIMITS_JSON_H

#include <jansson.h>

#include "policy/spec.h"

json_t *lxe_json_limits(const struct lxe_spec *spec);

#endif
