#include <criterion/criterion.h>

#include <poll.h>

#include "base/cleanup.h"
#include "sys/proc.h"

Test(timer, what_is_set_anew_has_not_passed)
{
	int timer = sys_timer();
	struct pollfd p = { .fd = timer, .events = POLLIN };

	cr_assert_geq(timer, 0);
	cr_expect_not(sys_drain_counter(timer));
	cr_assert_eq(sys_timer_set(timer, 1), 0);
	cr_assert_eq(poll(&p, 1, 10000), 1);
	cr_assert_eq(sys_timer_set(timer, 60000), 0);
	cr_expect_not(sys_drain_counter(timer));
	cr_assert_eq(sys_timer_set(timer, 1), 0);
	cr_assert_eq(poll(&p, 1, 10000), 1);
	cr_expect(sys_drain_counter(timer));
	cr_expect_not(sys_drain_counter(timer));
	lxe_close(timer);
}
