/*
 * Snapshots and forks: what a sandbox that has ended has written becomes a layer that others lie on as well
 * (store/layers.h). Nothing is copied, and none of these takes time with the number of files; restore removes what it
 * drops. One that runs is refused, because its files cannot be taken from under it; its snapshots can be forked.
 */
#ifndef LXE_CLIENT_LAYERS_H
#define LXE_CLIENT_LAYERS_H

#include "client/registry.h"
#include "store/layers.h"

/* -EEXIST: there is one of that name. */
int lxe_client_snapshot(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *name, struct lxe_err *err);

/* What has been written since is dropped; other snapshots stay. */
int lxe_client_restore(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *name,
	struct lxe_err *err);

/* Also of one that runs. */
int lxe_client_snapshot_rm(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *name, struct lxe_err *err);

/*
 * A new sandbox called `name`, stopped, with the files of the other one as they are, or as they were at `snapshot`
 * (NULL: now), and made in the same way.
 */
int lxe_client_fork(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *snapshot, const char *name, struct lxe_err *err);

/* The snapshots of one, released by the caller with lxe_snapshots_release(). */
int lxe_client_snapshots(
	const struct lxe_place *place, struct lxe_snapshots *ret, struct lxe_err *err);

/* Bytes on disk: what it has written itself, and what is in the layers that it lies on. Counts files. */
struct lxe_usage {
	uint64_t own, shared;
	struct lxe_strv layers; /* ids, the uppermost first; released by the caller */
};

int lxe_client_usage(const struct lxe_place *place, const struct lxe_dirs *dirs, bool count,
	struct lxe_usage *ret, struct lxe_err *err);

#endif
