/*
 * Looking for whoever waits for input, on behalf of a client that may not: /proc shows what a process waits in to
 * who could trace it, and the processes of an ordinary user's sandbox are not his. The keeper looks
 * as the client would (terminal/gate.h), and says so in a memory file that the client has in place of
 * the list of processes.
 */
#ifndef LXE_KEEPER_LOOK_H
#define LXE_KEEPER_LOOK_H

#include "keeper/loop.h"

struct lxe_process;
struct lxe_gate;

struct lxe_look {
	struct lxe_gate *gate; /* NULL: not looking */
	struct lxe_timer timer;
	int said; /* the file, or -EBADF */
};

/* The command has been released: look until somebody waits, or the gate opens by itself. */
void lxe_look_begin(struct lxe_process *p);
void lxe_look_end(struct lxe_process *p);

/* What goes to the client as LXE_FD_PROCS, borrowed. */
int lxe_look_procs(const struct lxe_process *p);

#endif
