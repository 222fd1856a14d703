/*
 * The lines of subuid(5) and subgid(5): which ids of the host an account may give away. What
 * is no whole, well-formed line counts for nobody.
 */
#ifndef LXE_STORE_SUBID_H
#define LXE_STORE_SUBID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What sandboxes use where root has no line: see systemd's UIDS-GIDS.md for who uses what. */
#define LXE_SUBID_START 0x70000000u
#define LXE_SUBID_COUNT 0x10000000u

struct lxe_subid {
	char owner[64];
	uint64_t start, count; /* start + count <= 2^32 - 1, which is "no change" and no id */
};

/* The text of such a file, the caller's to free. NULL: there is none. */
int lxe_subid_read(const char *path, char **ret);

/* The next line from *text on, which is moved behind it. false: there is none any more. */
bool lxe_subid_next(const char **text, struct lxe_subid *ret);

bool lxe_subid_is_root(const struct lxe_subid *line);

#endif
