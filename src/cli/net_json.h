/* The network of a sandbox as inspect shows it: what was asked for. The proxy is without credentials. */
#ifndef LXE_CLI_NET_JSON_H
#define LXE_CLI_NET_JSON_H

#include <jansson.h>

#include "policy/net.h"

json_t *lxe_json_net(const struct lxe_net_spec *net);

#endif
