/* Pure: several texts for iptables-restore(8) as one. */
#ifndef LXE_NETWORK_MERGE_H
#define LXE_NETWORK_MERGE_H

#include <stdbool.h>

/* Does it end with COMMIT? */
bool lxe_rules_are_whole(const char *text);

/* Each table once: what is in *all before (or NULL), then `text`. -EBADMSG: it is not whole, and *all as before. */
int lxe_rules_merge(char **all, const char *text);

#endif
