/*
 * A recipe: how an image is made of another one. INI text, read as strictly as a profile (ini.h):
 *
 *   [image]
 *   from = debian
 *   [env]
 *   NAME = value
 *   [steps]
 *   copy = SRC:DST[:MODE]
 *   run = command of a shell
 *   run-tests = command
 *
 * Steps are done in the order of the file; what stands behind `run` and `copy` is a label, which makes the keys differ. A
 * recipe owns its texts. Reading one looks at no other file, but for where a SRC with `..` leads.
 */
#ifndef LXE_POLICY_RECIPE_H
#define LXE_POLICY_RECIPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum lxe_step_kind { LXE_STEP_RUN, LXE_STEP_COPY };

struct lxe_step {
	enum lxe_step_kind kind;
	char *label;	   /* the key */
	unsigned int line; /* of the recipe */
	char *text;	   /* RUN: the command */
	char *src, *dst;   /* COPY: absolute, on the host and inside */
	uint32_t mode;	   /* of what is copied; 0: as it is */
};

struct lxe_recipe {
	char *from;
	struct lxe_strv env; /* NAME=VALUE */
	struct lxe_step *v;
	size_t n;
};

/*
 * `name` is the file's for messages, `directory` the one that a relative SRC begins in. A failure names the line.
 * *ret is released by the caller in any case.
 */
int lxe_recipe_parse(struct lxe_recipe *ret, const char *name, const char *directory,
	const char *text, size_t len, struct lxe_err *err);
void lxe_recipe_release(struct lxe_recipe *recipe);

#endif
