/*
 * What a sandbox's commands are confined to, as inspect shows it: what was asked for, or the default.
 */
#ifndef LXE_CLI_CONFINEMENT_JSON_H
#define LXE_CLI_CONFINEMENT_JSON_H

#include <jansson.h>

#include "policy/spec.h"

json_t *lxe_json_confinement(const struct lxe_spec *spec);

#endif
