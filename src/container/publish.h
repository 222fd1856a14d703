/*
 * How an image gets there, whatever it is made of: filled below STATE/images/.build-NAME, and only what is
 * complete gets its name, in one step. One at a time per state directory; others wait. What a
 * killed one leaves is removed by the next, or by gc. Nothing outside the state directory is changed and
 * nothing is printed.
 */
#ifndef LXE_CONTAINER_PUBLISH_H
#define LXE_CONTAINER_PUBLISH_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "container/waiter.h"
#include "store/dirs.h"
#include "store/imagedir.h"

/* Where one is made. */
struct lxe_image_work {
	char path[PATH_MAX]; /* absolute; nobody but its owner gets into it */
	int dir;	     /* the same; the caller's to close */
	int images;	     /* of all images, locked for as long as the work takes */
};

/* With an image of that name that is complete. */
enum lxe_image_existing { LXE_IMAGE_LEAVE, LXE_IMAGE_REFUSE, LXE_IMAGE_REPLACE };

/* May it go? 0, or -EBUSY, described, while somebody needs it who has no lock on it. Of one that is half there: 0. */
typedef int lxe_image_guard(const char *state, const char *name, struct lxe_err *err);

struct lxe_image_order {
	const struct lxe_dirs *dirs;
	const char *name;     /* valid (lxe_image_check_name) */
	const char *template; /* that it is made from, for the record */
	const char *source;   /* where that was found, or NULL */
	bool host_trees;
	enum lxe_image_existing existing;
	/* Asked before anything is made, and again when nobody can begin on the old one any more; NULL: nobody does. */
	lxe_image_guard *guard;
	const struct lxe_waiter *waiter;
	/*
	 * Make NAME/rootfs in the work's directory, and beside it what is to be kept with it. Anything else there is
	 * removed afterwards, whatever happened.
	 */
	int (*fill)(void *arg, const struct lxe_image_work *work, struct lxe_err *err);
	void *arg;
};

/*
 * One that is there, with `existing` REPLACE, is exchanged, or -EBUSY while a sandbox runs on it, which
 * is found out before anything is made and, for what has begun since, after. Sandboxes start on the
 * old one meanwhile. REFUSE: -EEXIST. -ECANCELED: the waiter ended it, and nothing is left.
 */
int lxe_image_make(const struct lxe_image_order *order, struct lxe_err *err);

#endif
