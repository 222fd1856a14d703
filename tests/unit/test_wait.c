/*
 * What the keeper makes of children that have ended, whose numbers the kernel gives out again, and its deadlines, which hold
 * whatever else there is to do.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "keeper_fixture.h"

#define PID 300

static const struct rusage usage;

static struct lxe_process *add(struct lxe_keeper *k, enum lxe_process_state state, pid_t pid)
{
	struct lxe_msg request;
	struct lxe_process *p;

	lxe_msg_init(&request, 0);
	p = lxe_process_new(k, &request, NULL);
	cr_assert_not_null(p);
	p->state = state;
	p->pid = pid;
	return p;
}

/* One that has ended before it has been told what its number is. */
static struct lxe_process *add_early(struct lxe_keeper *k, int status)
{
	struct lxe_process *p;

	keeper_begin(k);
	p = add(k, LXE_PROCESS_ENTERING, 0);
	lxe_keeper_reaped(k, PID, status, &usage);
	cr_assert_not(p->reaped);
	cr_assert_not_null(k->early);
	return p;
}

static void found(struct lxe_process *p, pid_t pid)
{
	p->pid = pid;
	p->state = LXE_PROCESS_PARKING;
	lxe_keeper_know_process(p);
}

Test(wait, a_number_that_is_used_again_is_the_later_ones)
{
	struct lxe_process *first, *second;
	struct lxe_keeper k;

	keeper_begin(&k);
	first = add(&k, LXE_PROCESS_RELEASED, PID);
	lxe_keeper_reaped(&k, PID, 1, &usage);
	cr_assert(first->reaped);
	second = add(&k, LXE_PROCESS_RELEASED, PID);
	lxe_keeper_reaped(&k, PID, 2, &usage);
	cr_assert(second->reaped);
	cr_assert_eq(first->status, 1);
	cr_assert_eq(second->status, 2);
	lxe_keeper_clean_up(&k);
}

Test(wait, who_ends_before_its_number_is_told_is_known)
{
	struct lxe_keeper k;
	struct lxe_process *p = add_early(&k, 3);

	found(p, PID);
	cr_assert(p->reaped);
	cr_assert_eq(p->status, 3);
	cr_assert_null(k.early);
	lxe_keeper_clean_up(&k);
}

/* A starter whose command never came to be: its number may be the next command's. */
Test(wait, who_has_ended_is_nobody_that_was_made_later)
{
	struct lxe_process *failed, *other, *later;
	struct lxe_keeper k;

	keeper_begin(&k);
	failed = add(&k, LXE_PROCESS_ENTERING, 0);
	other = add(&k, LXE_PROCESS_ENTERING, 0);
	lxe_keeper_reaped(&k, PID, 0, &usage);
	failed->state = LXE_PROCESS_ENDED;
	later = add(&k, LXE_PROCESS_ENTERING, 0);
	found(later, PID);
	cr_assert_not(later->reaped);
	/* Whose it was is not known yet. */
	found(other, PID);
	cr_assert(other->reaped);
	lxe_keeper_clean_up(&k);
}

Test(wait, nothing_is_remembered_when_nobody_is_entering)
{
	struct lxe_keeper k;
	struct lxe_process *p = add_early(&k, 0);

	p->state = LXE_PROCESS_ENDED;
	lxe_keeper_reaped(&k, PID + 1, 0, &usage);
	cr_assert_null(k.early);
	lxe_keeper_clean_up(&k);
}

static bool never(const struct lxe_keeper *k)
{
	(void)k;
	return false;
}

/* It takes nothing, so there is always news of it. */
static void count(void *n, uint32_t events)
{
	(void)events;
	++*(unsigned int *)n;
}

Test(wait, a_deadline_holds_against_a_source_that_is_always_ready, .timeout = 10)
{
	unsigned int n = 0;
	struct lxe_source busy = { .fd = -EBADF, .ready = count, .arg = &n };
	LXE_AUTOCLOSE int ready = eventfd(1, EFD_CLOEXEC), silent = eventfd(0, EFD_CLOEXEC);
	struct lxe_keeper k;

	keeper_begin(&k);
	cr_assert_eq(lxe_loop_add(k.loop, &busy, ready, EPOLLIN), 0);
	cr_assert_eq(lxe_keeper_wait_until(&k, never, 20), -ETIMEDOUT);
	cr_assert_gt(n, 0);
	cr_assert_eq(lxe_keeper_wait(&k, silent, 20), -ETIMEDOUT);
	lxe_keeper_clean_up(&k);
}

#define MANY 100

static bool all_counted(const struct lxe_keeper *k)
{
	return k->starting == MANY;
}

/* A keeper that has not run for a while: all that came meanwhile is taken before the deadline is looked at. */
Test(wait, what_came_in_time_is_taken_before_the_deadline_is_looked_at)
{
	struct lxe_source busy[MANY];
	int fds[MANY];
	struct lxe_keeper k;

	keeper_begin(&k);
	for (unsigned int i = 0; i < MANY; i++) {
		fds[i] = eventfd(1, EFD_CLOEXEC);
		busy[i] = (struct lxe_source){ .fd = -EBADF, .ready = count, .arg = &k.starting };
		cr_assert_eq(lxe_loop_add(k.loop, &busy[i], fds[i], EPOLLIN | EPOLLET), 0);
	}
	cr_assert_eq(lxe_keeper_wait_until(&k, all_counted, 0), 0);
	cr_assert_eq(lxe_keeper_wait_until(&k, never, 0), -ETIMEDOUT);
	for (unsigned int i = 0; i < MANY; i++)
		lxe_close(fds[i]);
	lxe_keeper_clean_up(&k);
}
