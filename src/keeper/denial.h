/*
 * What a command was denied by a rule of its sandbox: paths that we have made read-only or put out of reach,
 * and system calls that its profile refuses. It only explains: what is looked at may change while we look, and
 * nothing depends on it. Paths are looked up with O_PATH, so that nothing is opened, waited for or changed by it.
 */
#ifndef LXE_KEEPER_DENIAL_H
#define LXE_KEEPER_DENIAL_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct lxe_process;
struct lxe_keeper;

/* The last of them, for the outcome of a command that fails; all are in its outcome. */
struct lxe_denied {
	char rule[LXE_ERR_HINT_MAX], hint[LXE_ERR_HINT_MAX];
};

/*
 * A thread is about to make this call, of which the listener has told, and will go on: will a rule of ours
 * stand in its way? What is seen counts only if it is the same thread in the end.
 */
void lxe_denial_of_path(struct lxe_process *p, int listener, const struct seccomp_notif *notif);

/* The profile has refused the call. */
void lxe_denial_of_call(struct lxe_process *p, const struct seccomp_data *data);

/* judge: the command has failed, and nothing better is known than what it was denied. */
void lxe_denial_judge(struct lxe_process *p);

#endif
