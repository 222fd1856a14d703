/*
 * The readiness gate: bytes that the caller sent before the program was up must not be lost to its
 * terminal initialisation, and a program that never prints must not wait for them either. Output is
 * seen by the relay; this is the rest: the slave left canonical mode, or a process of the foreground
 * group waits for input, or 5 s have passed. Probing happens only while input is held back.
 */
#ifndef LXE_TERMINAL_GATE_H
#define LXE_TERMINAL_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LXE_GATE_CAP_MS 5000
#define LXE_GATE_STAY_MS 20 /* in poll, select or epoll for so long: it waits for us */

/* What one process of the foreground group was doing when it was looked at. */
enum lxe_gate_wait {
	LXE_GATE_BUSY, /* running, or blocked in something that is not input */
	LXE_GATE_READ, /* in read(2) of the terminal */
	LXE_GATE_POLL, /* in poll, select, epoll: waits, but perhaps for something else */
};

struct lxe_gate_process {
	pid_t pid;
	enum lxe_gate_wait wait;
	uint64_t fingerprint; /* of the call and its arguments: the same wait has the same one */
};

struct lxe_gate_sample {
	uint64_t now_ms;
	bool canonical;				  /* of the slave */
	const struct lxe_gate_process *processes; /* of the foreground group */
	size_t n_processes;
};

struct lxe_gate; /* pure state */

int lxe_gate_new(struct lxe_gate **ret, uint64_t start_ms);
void lxe_gate_free(struct lxe_gate *gate);

/* Decide: true when the gate opens. */
bool lxe_gate_feed(struct lxe_gate *gate, const struct lxe_gate_sample *sample);

/*
 * Milliseconds until the next sample is worth taking: 1 at first, at most 20, not past the cap but for one that is late. 0: none, it is open.
 */
uint64_t lxe_gate_next_ms(const struct lxe_gate *gate, uint64_t now_ms);

/* What `procs` below may hold instead of pids: whoever may look has, and the gate is to open. */
#define LXE_GATE_SOMEBODY "somebody\n"

/*
 * Take a sample from the host's side: tcgetattr and TIOCGPGRP on the master, the host pids from
 * `procs` (an open cgroup.procs; negative: all there are), /proc/PID/{stat,syscall,fd}. Fills at most `max` processes.
 * Returns how many, or a negative errno when the master is of no use any more.
 */
int lxe_gate_sample_take(
	int master, int procs, bool *canonical, struct lxe_gate_process *processes, size_t max);

#endif
