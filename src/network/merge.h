/* Pure: several texts for iptables-restore(8) as one. */
#ifndef LXE_NETWORK_MERGE_H
#define LXE_NETWORK_MERGE_H

#include <stdbool.h>

#define LXE_FAMILIES 2 /* IPv4, IPv6: a text each */

enum lxe_table {
	LXE_TABLE_FILTER,
	LXE_TABLE_NAT,
	LXE_TABLES,
};

/* Without the asterisk that they have in a text. */
extern const char *const lxe_table_names[LXE_TABLES];

/* Is each of its tables one of these, there once, and ended by COMMIT? */
bool lxe_rules_are_whole(const char *text);

/* The tables in which it makes chains, a bit for each. */
unsigned int lxe_rules_chains(const char *text);

/*
 * Each table once: what is in `all` (or NULL), then `text`. *ret is allocated. -EBADMSG: `text` is not
 * whole.
 */
int lxe_rules_merge(char **ret, const char *all, const char *text);

#endif
