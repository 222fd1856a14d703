/*
 * The layers that lie between an image and what a sandbox writes (store/layers.h), while its root filesystem is
 * mounted: taken on the host as detached mounts, read-only and with this sandbox's owners, then attached in the
 * private view. The mounts vanish with their descriptors, or with the mount namespace.
 */
#ifndef LXE_ROOTFS_STACK_H
#define LXE_ROOTFS_STACK_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "rootfs/rootfs.h"
#include "store/layers.h"

struct lxe_stack {
	size_t n;
	int files[LXE_LAYERS_MAX]; /* the uppermost first */
};

/*
 * What the sandbox whose directory is `sandbox` lies on: allocated, and the caller's; NULL when it is the image alone.
 */
int lxe_stack_open(struct lxe_stack **ret, const char *state, int sandbox,
	const struct lxe_idmap *map, struct lxe_err *err);
void lxe_stack_free(struct lxe_stack *stack);

/* Attach them below s/ in the working directory. */
int lxe_stack_attach(struct lxe_stack *stack, struct lxe_err *err);

/* Behind the attaching: what `name` is in the uppermost layer that has it; false when none has, or there is none. */
bool lxe_stack_look(const struct lxe_stack *stack, const char *name, struct stat *ret);

/*
 * Mount an overlay of `name` in all layers, and `below` (NULL: nothing) under them, with rw/`name` over them, at
 * `target`. Its work directory is rw/`work`. `user`: in a user namespace. Everything is relative to the working
 * directory, because the options are readable in the sandbox.
 */
struct lxe_stack_mount {
	const char *name, *below, *work, *target;
	bool user;
};

int lxe_stack_mount(
	const struct lxe_stack *stack, const struct lxe_stack_mount *how, struct lxe_err *err);

/*
 * The two trees of a host image that are beside its overlay, s/o/tmp and s/o/root, to be shown in place of rw/tmp and
 * rw/root.
 */
#define LXE_STACK_BESIDE "s/o"
int lxe_stack_mount_beside(const struct lxe_stack *stack, bool user, struct lxe_err *err);

#endif
