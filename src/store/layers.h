/*
 * Layers: what sandboxes that are kept have written, put aside under an id and never written to again, so that any
 * number of them can be made on top of it. STATE/layers/ID holds `rw`, the writable directory that it was, and
 * `about`: the layer it lies on, how many there are with it, and whose owners it has.
 *
 * A sandbox's directory has `base`, the layer its own writable directory lies on, and `snapshots`, the layers that it
 * has given names to. What no sandbox leads to, by these and by what lies below them, is removed.
 *
 * Everything that changes a layer's references is done under the lock of STATE/layers, and by who holds that of the
 * sandbox. Whoever is killed in between leaves what looks the same from inside as before, or as after. Nothing here
 * takes time with the number of files, but removal and counting.
 */
#ifndef LXE_STORE_LAYERS_H
#define LXE_STORE_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/outcome.h"

#define LXE_LAYERS_MAX 128 /* below one sandbox; overlayfs takes 500 */
#define LXE_LAYER_FILES "rw"

struct lxe_layer {
	char id[LXE_ID_LEN + 1];
	char parent[LXE_ID_LEN + 1]; /* empty: the image */
	uint32_t owner;		     /* the host's uid of root inside, as its files have it */
	uint32_t depth;		     /* 1: it lies on the image */
};

/* STATE/layers, locked for as long as the descriptor is open; made if need be. Waits for others, who take no time. */
int lxe_layers_lock(const char *state, struct lxe_err *err);

/* STATE/layers; -ENOENT. */
int lxe_layers_open(const char *state);

/* -ENOENT: there is none; -EBADMSG: what says what it is cannot be read. */
int lxe_layer_read(int layers, const char *id, struct lxe_layer *ret);

/* What a sandbox's own writable directory lies on. */
struct lxe_base {
	char top[LXE_ID_LEN + 1]; /* empty: the image */
	bool drop; /* what is in the writable directory is not wanted any more: lxe_base_settle() */
};

/* Without such a file: the image. */
int lxe_base_read(int sandbox, struct lxe_base *ret);
int lxe_base_write(int sandbox, const struct lxe_base *base);

/* Finish what a lxe_base_write() with `drop` has begun; nothing when there is nothing. Removes files. */
int lxe_base_settle(int sandbox);

/*
 * Put what the sandbox has written aside: a layer, on which it lies from now on with nothing of its own. Nothing
 * written: nothing done. *ret is its base afterwards. `owner` is the uid of root inside. -E2BIG: too many already.
 */
int lxe_layer_freeze(int layers, int sandbox, uint32_t owner, struct lxe_base *ret);

struct lxe_snapshot {
	char name[129];
	uint64_t made_ms;	  /* since the Epoch */
	char top[LXE_ID_LEN + 1]; /* empty: the image */
};

struct lxe_snapshots {
	struct lxe_snapshot *v;
	size_t n;
};

/* In the order in which they were made; without such a file none. Released by lxe_snapshots_release(). */
int lxe_snapshots_read(int sandbox, struct lxe_snapshots *ret);
int lxe_snapshots_write(int sandbox, const struct lxe_snapshots *list);
int lxe_snapshots_add(struct lxe_snapshots *list, const struct lxe_snapshot *one);
struct lxe_snapshot *lxe_snapshots_find(const struct lxe_snapshots *list, const char *name);
void lxe_snapshots_release(struct lxe_snapshots *list);

/*
 * Remove the layers that no sandbox below `sandboxes` leads to (a descriptor of STATE/sandboxes), and what was begun
 * to be removed before. Takes the lock, but not for the removal. With `dry` only looks. How many there were, or
 * the first failure; when a sandbox cannot be understood nothing is removed.
 */
int lxe_layers_sweep(int sandboxes, bool dry);

/*
 * The bytes of a layer on disk, counted once and noted; those of what the sandbox itself has written. Takes time
 * with the number of files.
 */
int lxe_layer_size(int layers, const char *id, uint64_t *ret);
int lxe_layers_own_size(int sandbox, uint64_t *ret);

#endif
