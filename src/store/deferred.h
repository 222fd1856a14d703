/*
 * The note in a sandbox's directory that its teardown has to wait, because somebody else still uses a
 * part of it: why, and what the next gc is to do with the rest. Blocks on the file system alone.
 */
#ifndef LXE_STORE_DEFERRED_H
#define LXE_STORE_DEFERRED_H

#include <stdbool.h>
#include <stddef.h>

#define LXE_DEFERRED_MAX 1024 /* of the reason, with its terminator */

/* Lines, as an outcome's residue; `keep`: its files stay when the rest is gone. */
int lxe_deferred_put(int dir, bool keep, const char *reason);

/* -ENOENT when nothing waits; -EBADMSG for what is no such note. */
int lxe_deferred_get(int dir, bool *keep, char reason[LXE_DEFERRED_MAX]);

void lxe_deferred_drop(int dir);

#endif
