#include "keeper/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/proc.h"

struct lxe_loop {
	int epoll;
	struct lxe_timer *timers; /* the earliest first */
};

int lxe_loop_new(struct lxe_loop **ret)
{
	struct lxe_loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		r = -errno;
		free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

void lxe_loop_free(struct lxe_loop *loop)
{
	if (!loop)
		return;
	lxe_close(loop->epoll);
	free(loop);
}

int lxe_loop_add(struct lxe_loop *loop, struct lxe_source *source, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	source->fd = fd;
	return 0;
}

void lxe_loop_change(struct lxe_loop *loop, struct lxe_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (source->fd >= 0)
		epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event);
}

void lxe_loop_remove(struct lxe_loop *loop, struct lxe_source *source)
{
	if (source->fd < 0)
		return;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -EBADF;
}

void lxe_loop_clear_timer(struct lxe_loop *loop, struct lxe_timer *timer)
{
	struct lxe_timer **at = &loop->timers;

	if (!timer->at_ms)
		return;
	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
	timer->next = NULL;
	timer->at_ms = 0;
}

void lxe_loop_set_timer(struct lxe_loop *loop, struct lxe_timer *timer, uint64_t ms)
{
	struct lxe_timer **at = &loop->timers;

	lxe_loop_clear_timer(loop, timer);
	timer->at_ms = sys_now_ms();
	timer->at_ms = ms < UINT64_MAX - timer->at_ms ? timer->at_ms + ms : UINT64_MAX;
	while (*at && (*at)->at_ms <= timer->at_ms)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
}

/* What epoll_wait may wait for: the caller's limit or the first timer, whichever is sooner. */
static int wait_ms(const struct lxe_loop *loop, int timeout_ms)
{
	uint64_t now, left;

	if (!loop->timers)
		return timeout_ms;
	now = sys_now_ms();
	left = loop->timers->at_ms > now ? loop->timers->at_ms - now : 0;
	if (left > INT_MAX)
		left = INT_MAX;
	return timeout_ms >= 0 && (uint64_t)timeout_ms < left ? timeout_ms : (int)left;
}

static bool timer_passed(struct lxe_loop *loop)
{
	struct lxe_timer *timer = loop->timers;

	if (!timer || timer->at_ms > sys_now_ms())
		return false;
	lxe_loop_clear_timer(loop, timer);
	timer->passed(timer->arg);
	return true;
}

int lxe_loop_turn(struct lxe_loop *loop, int timeout_ms)
{
	struct epoll_event event;
	const struct lxe_source *source;
	int r;

	/* Events first: what came before a deadline is not to be judged by it. */
	r = epoll_wait(loop->epoll, &event, 1, wait_ms(loop, timeout_ms));
	if (r < 0)
		return errno == EINTR ? 1 : -errno;
	if (r == 0)
		return timer_passed(loop) ? 1 : 0;
	source = event.data.ptr;
	source->ready(source->arg, event.events);
	/* A descriptor that is always ready must not keep the timers waiting. */
	timer_passed(loop);
	return 1;
}
