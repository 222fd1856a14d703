#include "network/work.h"

#include <stdio.h>

#include "network/plan.h"

void lxe_net_names(const char *id, char id8[9], char name[IFNAMSIZ])
{
	snprintf(id8, 9, "%.8s", id);
	snprintf(name, IFNAMSIZ, LXE_NET_VETH_PREFIX "%.8s", id);
}
