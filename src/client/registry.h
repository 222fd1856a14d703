/*
 * The sandboxes that are there: found by name or id, listed, and described from what their
 * directories say. Reads only; a directory that says nothing sensible is listed as such.
 */
#ifndef LXE_CLIENT_REGISTRY_H
#define LXE_CLIENT_REGISTRY_H

#include <stdbool.h>

#include "policy/spec.h"
#include "proto/record.h"
#include "store/deferred.h"
#include "store/dirs.h"
#include "store/live.h"
#include "store/outcome.h"

/* Where one is. */
struct lxe_place {
	char id[LXE_ID_LEN + 1];
	const char *base; /* of dirs: the run or the state directory */
	const char *run;  /* of dirs: the run directory */
};

struct lxe_info {
	struct lxe_place place;
	/* "creating" … "stopped", "failed"; "crashed", "deferred", "unreadable" */
	const char *state;
	char why[LXE_DEFERRED_MAX]; /* it is so, where the state alone does not say it; may be empty */
	bool owned;		    /* its keeper lives */
	struct lxe_record record; /* spec and record are empty when it is unreadable */
	struct lxe_spec spec;
	struct lxe_live live;
	bool has_outcome;
	struct lxe_outcome outcome;
	char *blocked; /* what it wanted to reach and may not (store/blocked.h), or NULL */
};

/*
 * By name, by id, or by the first digits of an id: -ENOENT when there is none, -ENOTUNIQ when the
 * digits fit several, both with a hint.
 */
int lxe_registry_find(
	const struct lxe_dirs *dirs, const char *word, struct lxe_place *ret, struct lxe_err *err);

/* -ENOENT: it is gone; everything else that is wrong shows in *ret, which is to be released. */
int lxe_registry_read(const struct lxe_place *where, struct lxe_info *ret);
void lxe_info_release(struct lxe_info *info);

/* The name of the sandbox with this id, empty when it has none, or there is no such sandbox. */
void lxe_registry_name(const struct lxe_dirs *dirs, const char *id, char name[129]);

/* The name, or the id of one that has none. */
const char *lxe_info_name(const struct lxe_info *info);

/* All of them, oldest first: *ret is allocated, and released by lxe_registry_free(). */
int lxe_registry_list(
	const struct lxe_dirs *dirs, struct lxe_info **ret, size_t *n, struct lxe_err *err);
void lxe_registry_free(struct lxe_info *list, size_t n);

#endif
