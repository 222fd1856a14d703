/* What of the caller's files a sandbox shows, as inspect tells it: what was asked for. */
#ifndef LXE_CLI_MOUNTS_JSON_H
#define LXE_CLI_MOUNTS_JSON_H

#include <jansson.h>

#include "policy/mounts.h"

json_t *lxe_json_mounts(const struct lxe_mounts *list);

#endif
