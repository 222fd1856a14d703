/*
 * What is noted beside a commit, so that whoever finds the sandbox after all were killed knows that there was one. Private
 * to cow*.c.
 */
#ifndef LXE_CLIENT_COW_MARK_H
#define LXE_CLIENT_COW_MARK_H

#include "client/cow_layers.h"

/* On record as kept, or not. */
int lxe_cow_mark(const struct lxe_place *place, bool keep, struct lxe_err *err);

/* Of one that has ended, of which no keeper takes away what is left: gc looks for this. Of one that runs nothing is noted. */
int lxe_cow_begin(const struct lxe_cow_layers *layers, struct lxe_err *err);
void lxe_cow_end(const struct lxe_cow_layers *layers);

#endif
