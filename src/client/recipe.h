/*
 * A recipe (policy/recipe.h) carried out: its steps are done one after the other in a sandbox on the image that it
 * names, and what they have made of that is read as an archive. The sandbox is this process's: it ends with it,
 * whatever ends it, and nothing of it stays.
 */
#ifndef LXE_CLIENT_RECIPE_H
#define LXE_CLIENT_RECIPE_H

#include "client/archive.h"
#include "policy/recipe.h"
#include "policy/request.h"
#include "store/dirs.h"

struct lxe_cook {
	const struct lxe_recipe *recipe;
	const char *name; /* of the recipe, for messages */
	const struct lxe_dirs *dirs;
	const struct lxe_request
		*req; /* network and limits of the sandbox; its spec is not changed */
	/* Told what the steps print, as it comes, while `sink` can be written to (-EBADF: always). */
	void (*said)(void *arg, const char *text, size_t len);
	int sink;
	/* Told before each step; NULL: nobody wants to know. */
	void (*begins)(void *arg, const struct lxe_step *step, size_t number);
	void *arg;
	/* Ours. */
	int signals, stdin_end;
	int output
		[2]; /* a pipe: a step that had the caller's terminal could do more than print on it */
	struct lxe_sandbox_handle *sandbox;
};

/*
 * Do all steps. HUP, INT, TERM and QUIT are blocked once the sandbox is there, for good: one that comes is -ECANCELED, with its number in *signal.
 * -EIO, described, when a step fails. Ended with lxe_cook_end() in any case, which removes the sandbox.
 */
int lxe_cook(struct lxe_cook *cook, int *signal, struct lxe_err *err);

/* Begin to read what has been made. */
int lxe_cook_archive(struct lxe_cook *cook, struct lxe_archive *ret, struct lxe_err *err);
void lxe_cook_end(struct lxe_cook *cook);

#endif
