/*
 * Programs that a worker runs, one after another or one into the next. What they print on standard error
 * is passed on, and its first line kept: there tools say what went wrong. Blocks until all have ended.
 */
#ifndef LXE_CONTAINER_PIPELINE_H
#define LXE_CONTAINER_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define LXE_STAGES_MAX 3

struct lxe_stage {
	const char *const *argv; /* found along PATH; NULL: `main` is called instead */
	int (*main)(void *arg);	 /* reads 0 and writes 1; 0 or a negative errno */
	void *arg;
	const char *package; /* of Debian's, that has the program */
};

struct lxe_pipeline {
	struct lxe_stage stages[LXE_STAGES_MAX];
	size_t n;
	int input, output; /* of the first and the last; -EBADF: the worker's own */
	const char *cwd;   /* NULL: the worker's */
};

/*
 * 0, or the first failure, described by what was printed first. *line (NULL: not wanted) is that line, also of
 * a success; empty when there was none.
 */
int lxe_pipeline_run(const struct lxe_pipeline *p, char *line, size_t size, struct lxe_err *err);

#endif
