/*
 * The keeper's event loop: descriptors and deadlines, each with what is to be called. One thread;
 * sources and timers are part of their owners, who take them out before they go. One event is
 * handled a turn, so that a handler may remove any source and any timer, its own included.
 */
#ifndef LXE_KEEPER_LOOP_H
#define LXE_KEEPER_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct lxe_loop;

struct lxe_source {
	int fd; /* borrowed; negative while not in a loop */
	void (*ready)(void *arg, uint32_t events);
	void *arg;
};

struct lxe_timer {
	uint64_t at_ms; /* CLOCK_MONOTONIC; 0: not set */
	void (*passed)(void *arg);
	void *arg;
	struct lxe_timer *next;
};

int lxe_loop_new(struct lxe_loop **ret);
void lxe_loop_free(struct lxe_loop *loop);

/* Listen to `fd` (events as of epoll_ctl(2)) until it is removed. */
int lxe_loop_add(struct lxe_loop *loop, struct lxe_source *source, int fd, uint32_t events);

/* Listen for other events. */
void lxe_loop_change(struct lxe_loop *loop, struct lxe_source *source, uint32_t events);

/* Before the descriptor is closed. A source that is in no loop is left alone. */
void lxe_loop_remove(struct lxe_loop *loop, struct lxe_source *source);

/* Call `passed` once, ms milliseconds from now; a timer that is set already is set anew. */
void lxe_loop_set_timer(struct lxe_loop *loop, struct lxe_timer *timer, uint64_t ms);
void lxe_loop_clear_timer(struct lxe_loop *loop, struct lxe_timer *timer);

/*
 * Wait for one event or one timer, at most timeout_ms (negative: no limit), and handle it: 1, 0 when
 * the time is up, or a negative errno.
 */
int lxe_loop_turn(struct lxe_loop *loop, int timeout_ms);

#endif
