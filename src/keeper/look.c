#include "keeper/look.h"

#include <string.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/gate.h"

#define PROCESSES 256

static void look(void *process)
{
	struct lxe_process *p = process;
	struct lxe_gate_process processes[PROCESSES];
	struct lxe_gate_sample sample = { .now_ms = sys_now_ms(), .processes = processes };
	int n = lxe_gate_sample_take(p->pty.master, lxe_cgroup_leaf_procs_fd(p->leaf),
		&sample.canonical, processes, PROCESSES);

	if (n < 0) {
		lxe_look_end(p);
		return;
	}
	sample.n_processes = (size_t)n;
	if (!lxe_gate_feed(p->look.gate, &sample)) {
		lxe_loop_set_timer(p->keeper->loop, &p->look.timer,
			lxe_gate_next_ms(p->look.gate, sys_now_ms()));
		return;
	}
	sys_write_all(p->look.said, LXE_GATE_SOMEBODY, strlen(LXE_GATE_SOMEBODY));
	lxe_look_end(p);
}

void lxe_look_begin(struct lxe_process *p)
{
	p->look.said = -EBADF;
	if (!lxe_is_rootless() || p->pty.master < 0)
		return;
	/* Without it the client's gate opens by output, or by its own patience. */
	p->look.said = sys_memfd("lxe-look", 0);
	if (p->look.said < 0 || lxe_gate_new(&p->look.gate, sys_now_ms()) < 0)
		return;
	p->look.timer = (struct lxe_timer){ .passed = look, .arg = p };
	lxe_loop_set_timer(p->keeper->loop, &p->look.timer, 1);
}

void lxe_look_end(struct lxe_process *p)
{
	if (!p->look.gate)
		return;
	lxe_loop_clear_timer(p->keeper->loop, &p->look.timer);
	lxe_gate_free(take_ptr(p->look.gate));
}

int lxe_look_procs(const struct lxe_process *p)
{
	return p->look.said >= 0 ? p->look.said : lxe_cgroup_leaf_procs_fd(p->leaf);
}
