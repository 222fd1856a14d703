/*
 * The relay between the caller's terminal and the pty master: one hop, in the driving client.
 * Pure over descriptors: it never waits; its owner waits for what lxe_relay_wants() names and calls
 * lxe_relay_step().
 *
 *   in ──► [held back by the gate, <= 64 KiB] ──► master          (input)
 *   master ──► ring ──► out                                       (output)
 *
 * Back-pressure: the master is not read while more than LXE_RELAY_BACKLOG bytes wait for `out`, and
 * `in` is not read while its buffer is full. No byte is dropped or doubled.
 *
 * What the owner must know:
 * - the master must be non-blocking. `in` and `out` should be; where that is impossible without
 *   touching the caller's own file description, step moves only what poll said would not block:
 *   one read or write of at most 1 KiB per call. The relay finds that out by itself.
 * - epoll reports EPOLLHUP and EPOLLERR unasked: an end that wants nothing is taken out of the set.
 * - regular files and /dev/null cannot be in an epoll set (EPERM): such an end is always ready, and
 *   the owner steps it as long as lxe_relay_wants() names it.
 * - writing to a pipe that nobody reads raises SIGPIPE unless it is ignored or blocked.
 */
#ifndef LXE_TERMINAL_RELAY_H
#define LXE_TERMINAL_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/input.h"
#include "terminal/ring.h"

#define LXE_RELAY_BACKLOG (128 * 1024)

enum lxe_relay_end { LXE_RELAY_IN, LXE_RELAY_OUT, LXE_RELAY_MASTER };

struct lxe_relay;

/* Borrows the descriptors and the ring, of which it is the writer. -EINVAL: the master blocks. */
int lxe_relay_new(struct lxe_relay **ret, int in, int out, int master, struct lxe_ring *ring);
void lxe_relay_free(struct lxe_relay *r);

/* The epoll events (EPOLLIN, EPOLLOUT, 0) that would let this end move something now. */
uint32_t lxe_relay_wants(const struct lxe_relay *r, enum lxe_relay_end end);

/*
 * One end is ready with `events` (EPOLLHUP and EPOLLERR included): move what can be moved, until
 * EAGAIN or a fair share. 0, or a negative errno that ends the run: -EPIPE when nobody reads `out`,
 * -EIO when it is a terminal that was hung up. A hang-up of `in` is its end of file.
 */
int lxe_relay_step(struct lxe_relay *r, enum lxe_relay_end end, uint32_t events);

/* The readiness gate: closed at first. A byte of output opens it by itself. */
void lxe_relay_open_gate(struct lxe_relay *r);
bool lxe_relay_gate_open(const struct lxe_relay *r);
bool lxe_relay_holds_input(
	const struct lxe_relay *r); /* bytes or an end of file wait at the gate */

/*
 * Does a character wait at the gate that the slave's line discipline would turn into a signal
 * (VINTR, VQUIT, VSUSP with ISIG set; termios(3))?
 */
bool lxe_relay_holds_signal(const struct lxe_relay *r);

/*
 * The keys in the input that leave the terminal, as its end does then; and whether they were typed,
 * and everything before them was sent. They are not passed on.
 */
void lxe_relay_set_detach(struct lxe_relay *r, const struct lxe_detach_keys *keys);
bool lxe_relay_detached(const struct lxe_relay *r);

/*
 * Output passes through a governor (borrowed), which has `out` already: as its first stream. Nothing
 * more is passed on after the end of it, but its tail.
 */
struct lxe_governor;
void lxe_relay_govern(struct lxe_relay *r, struct lxe_governor *g);
void lxe_relay_end_output(struct lxe_relay *r);

/* An eventfd that is written to whenever something was read from the master; negative: none. */
void lxe_relay_set_bell(struct lxe_relay *r, int bell);

/* What was read from `in` and not sent: for whoever drives next, who begins with it. See input.h. */
size_t lxe_relay_unsent(const struct lxe_relay *r, unsigned char *bytes);
void lxe_relay_preload(struct lxe_relay *r, const unsigned char *bytes, size_t n);

/* The command is gone: drop the input, deliver what is still in the pty. */
void lxe_relay_finish(struct lxe_relay *r);

/* What is in the pty now is the last that counts, also when somebody goes on writing. */
void lxe_relay_take_last(struct lxe_relay *r);

/* The master gave EIO (nobody holds the slave), or its last, and everything was delivered. */
bool lxe_relay_drained(const struct lxe_relay *r);

/* Everything read so far was delivered, whether or not the master is at its end. */
bool lxe_relay_flushed(const struct lxe_relay *r);

#endif
