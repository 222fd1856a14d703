/* The keeper's event loop against descriptors and the clock. */
#include <criterion/criterion.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "keeper/loop.h"
#include "sys/fd.h"
#include "sys/proc.h"

struct seen {
	struct lxe_loop *loop;
	struct lxe_source source, *other;
	struct lxe_timer timer;
	int ready, passed;
};

static void ready(void *arg, uint32_t events)
{
	struct seen *s = arg;

	cr_assert(events & EPOLLIN);
	s->ready++;
	if (s->other)
		lxe_loop_remove(s->loop, s->other);
}

static void passed(void *arg)
{
	((struct seen *)arg)->passed++;
}

static void set_up(struct seen *s, struct lxe_loop *loop)
{
	*s = (struct seen){ .loop = loop };
	s->source = (struct lxe_source){ .fd = -1, .ready = ready, .arg = s };
	s->timer = (struct lxe_timer){ .passed = passed, .arg = s };
}

Test(loop, a_turn_handles_one_event)
{
	struct lxe_loop *loop;
	struct seen a, b;
	int first[2], second[2];

	cr_assert_eq(lxe_loop_new(&loop), 0);
	cr_assert_eq(sys_pipe(first), 0);
	cr_assert_eq(sys_pipe(second), 0);
	set_up(&a, loop);
	set_up(&b, loop);
	cr_assert_eq(lxe_loop_add(loop, &a.source, first[0], EPOLLIN), 0);
	cr_assert_eq(lxe_loop_add(loop, &b.source, second[0], EPOLLIN), 0);
	cr_assert_eq(lxe_loop_turn(loop, 0), 0);
	cr_assert_eq(sys_write_all(first[1], "x", 1), 0);
	cr_assert_eq(sys_write_all(second[1], "x", 1), 0);
	cr_assert_eq(lxe_loop_turn(loop, 0), 1);
	cr_assert_eq(a.ready + b.ready, 1);
	cr_assert_eq(lxe_loop_turn(loop, 0), 1);
	cr_assert_eq(a.ready, 1);
	cr_assert_eq(b.ready, 1);
	lxe_loop_free(loop);
}

Test(loop, a_handler_may_remove_a_source_that_is_ready_too)
{
	struct lxe_loop *loop;
	struct seen a, b;
	int first[2], second[2];

	cr_assert_eq(lxe_loop_new(&loop), 0);
	cr_assert_eq(sys_pipe(first), 0);
	cr_assert_eq(sys_pipe(second), 0);
	set_up(&a, loop);
	set_up(&b, loop);
	a.other = &b.source;
	b.other = &a.source;
	cr_assert_eq(lxe_loop_add(loop, &a.source, first[0], EPOLLIN), 0);
	cr_assert_eq(lxe_loop_add(loop, &b.source, second[0], EPOLLIN), 0);
	cr_assert_eq(sys_write_all(first[1], "x", 1), 0);
	cr_assert_eq(sys_write_all(second[1], "x", 1), 0);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(lxe_loop_turn(loop, 0), 1);
	cr_assert((a.ready == 4 && b.ready == 0) || (a.ready == 0 && b.ready == 4));
	lxe_loop_free(loop);
}

Test(loop, timers_pass_in_their_order_and_once)
{
	struct lxe_loop *loop;
	struct seen late, soon, never;
	uint64_t begin = sys_now_ms();

	cr_assert_eq(lxe_loop_new(&loop), 0);
	set_up(&late, loop);
	set_up(&soon, loop);
	set_up(&never, loop);
	lxe_loop_set_timer(loop, &late.timer, 40);
	lxe_loop_set_timer(loop, &never.timer, 20);
	lxe_loop_set_timer(loop, &soon.timer, 5000);
	lxe_loop_set_timer(loop, &soon.timer, 10);
	lxe_loop_clear_timer(loop, &never.timer);
	lxe_loop_clear_timer(loop, &never.timer);
	while (!soon.passed)
		cr_assert_geq(lxe_loop_turn(loop, 1000), 0);
	cr_assert_eq(late.passed, 0);
	cr_assert_geq(sys_now_ms() - begin, 10);
	while (!late.passed)
		cr_assert_geq(lxe_loop_turn(loop, 1000), 0);
	cr_assert_geq(sys_now_ms() - begin, 40);
	cr_assert_eq(lxe_loop_turn(loop, 0), 0);
	cr_assert_eq(soon.passed, 1);
	cr_assert_eq(late.passed, 1);
	cr_assert_eq(never.passed, 0);
	lxe_loop_free(loop);
}

Test(loop, a_timer_beyond_the_end_of_time_never_passes)
{
	struct seen far, near;
	struct lxe_loop *loop;

	cr_assert_eq(lxe_loop_new(&loop), 0);
	set_up(&far, loop);
	set_up(&near, loop);
	lxe_loop_set_timer(loop, &far.timer, UINT64_MAX);
	cr_assert_eq(far.timer.at_ms, UINT64_MAX);
	lxe_loop_set_timer(loop, &far.timer, UINT64_MAX - sys_now_ms() + 1);
	cr_assert_geq(far.timer.at_ms, UINT64_MAX - 1000);
	lxe_loop_set_timer(loop, &near.timer, 1);
	while (!near.passed)
		cr_assert_geq(lxe_loop_turn(loop, 1000), 0);
	cr_assert_eq(far.passed, 0);
	lxe_loop_clear_timer(loop, &far.timer);
	lxe_loop_free(loop);
}

Test(loop, a_descriptor_that_is_always_ready_does_not_starve_a_timer)
{
	struct lxe_loop *loop;
	struct seen busy;
	int ends[2];

	cr_assert_eq(lxe_loop_new(&loop), 0);
	cr_assert_eq(sys_pipe(ends), 0);
	set_up(&busy, loop);
	cr_assert_eq(lxe_loop_add(loop, &busy.source, ends[0], EPOLLIN), 0);
	cr_assert_eq(sys_write_all(ends[1], "x", 1), 0);
	lxe_loop_set_timer(loop, &busy.timer, 10);
	while (!busy.passed)
		cr_assert_eq(lxe_loop_turn(loop, 1000), 1);
	cr_assert_gt(busy.ready, 0);
	lxe_loop_free(loop);
}
