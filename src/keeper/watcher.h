/*
 * Who hears what a command is denied (confine/watch.h): the keeper, for commands of which somebody wants to
 * know, by -v or --result. One watcher for each command's filter; it lives as long as anything runs under that,
 * also after its command has ended, because without an answer its calls would fail.
 */
#ifndef LXE_KEEPER_WATCHER_H
#define LXE_KEEPER_WATCHER_H

#include <stdbool.h>

#include "base/err.h"

struct lxe_keeper;
struct lxe_process;

/* Before the fork: the filters, if this command is to be watched and can be; or NULL. */
struct lxe_watch;
const struct lxe_watch *lxe_watcher_prepare(struct lxe_process *p);

/* It is parked, and has this descriptor in its process. */
int lxe_watcher_begin(struct lxe_process *p, int listener, struct lxe_err *err);

/* The process is given back: what is heard from now on is only answered. */
void lxe_watcher_forget(const struct lxe_process *p);

void lxe_watchers_close(struct lxe_keeper *k);

#endif
