/*
 * The input half of a relay: from the caller's `in`, through the gate, to the pty master. It never
 * waits; see relay.h for who owns what.
 */
#ifndef LXE_TERMINAL_INPUT_H
#define LXE_TERMINAL_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "terminal/detach.h"

#define LXE_RELAY_INPUT_MAX (64 * 1024)

/*
 * The life of the input:
 *   OPEN ──end of `in`──► ENDED ──all was sent, VEOF is queued──► CLOSED
 * Whoever hangs up the slave, and lxe_input_close(), goes straight to CLOSED with nothing left; the
 * detach keys do so with what was typed before them.
 */
enum lxe_input_state { LXE_INPUT_OPEN, LXE_INPUT_ENDED, LXE_INPUT_CLOSED };

struct lxe_input {
	int in, master;
	bool in_blocks;
	bool gate_open;
	bool leaves;   /* the end of `in` detaches, too, instead of becoming VEOF */
	bool detached; /* the detach keys were typed */
	enum lxe_input_state state;
	struct lxe_detach detach;
	uint64_t taken, sent; /* bytes that came into and went out of the buffer */
	uint64_t written; /* bytes that the master has taken: what is dropped counts as sent, too */
	unsigned char last; /* of the bytes sent */
	unsigned char buf[LXE_RELAY_INPUT_MAX];
};

/* May a read or write of this descriptor wait? */
bool lxe_may_block(int fd);

void lxe_input_init(struct lxe_input *r, int in, int master);
size_t lxe_input_len(const struct lxe_input *r);
bool lxe_input_wants(const struct lxe_input *r);      /* to read `in` */
bool lxe_input_wants_send(const struct lxe_input *r); /* to write the master */
int lxe_input_take(struct lxe_input *r);
int lxe_input_send(struct lxe_input *r);
void lxe_input_close(struct lxe_input *r);
bool lxe_input_holds_signal(const struct lxe_input *r);

/*
 * What was read and not sent, for whoever drives next: into room for LXE_RELAY_INPUT_MAX +
 * LXE_DETACH_MAX bytes. And to begin with what somebody else has not sent.
 */
size_t lxe_input_unsent(const struct lxe_input *r, unsigned char *bytes);
void lxe_input_preload(struct lxe_input *r, const unsigned char *bytes, size_t n);

#endif
