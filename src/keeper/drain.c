/* The pty of a process that nobody drives: read into the ring, so that it never stands still. */
#include <errno.h>
#include <sys/epoll.h>

#include "keeper/keeper.h"
#include "keeper/seat.h"
#include "sys/fd.h"

#define FAIR_SHARE (64 * 1024) /* bytes a turn: the others are to be served as well */

static void take_output(void *process, uint32_t events)
{
	struct lxe_process *p = process;
	size_t taken = 0;
	ssize_t n = 1;

	(void)events;
	lxe_life_used(p->keeper);
	while (n > 0 && taken < FAIR_SHARE) {
		struct iovec room = lxe_ring_room(p->ring, FAIR_SHARE);

		n = sys_read(p->pty.master, room.iov_base, room.iov_len);
		lxe_ring_publish(p->ring, n > 0 ? (size_t)n : 0);
		taken += n > 0 ? (size_t)n : 0;
	}
	if (taken)
		lxe_seat_output(p);
	if (n > 0 || n == -EAGAIN)
		return;
	/* EIO: nobody holds the slave any more. */
	lxe_loop_remove(p->keeper->loop, &p->drained_by_us);
	p->hung_up = true;
	lxe_keeper_hung_up(p);
}

void lxe_process_drain(struct lxe_process *p)
{
	if (p->driver || p->hung_up || p->pty.master < 0 || p->drained_by_us.fd >= 0)
		return;
	p->drained_by_us = (struct lxe_source){ .fd = -EBADF, .ready = take_output, .arg = p };
	/* Without it the command would stand still at a full pty: no worse than a slow driver. */
	lxe_loop_add(p->keeper->loop, &p->drained_by_us, p->pty.master, EPOLLIN);
}

void lxe_process_leave_to_driver(struct lxe_process *p, struct lxe_channel *driver)
{
	lxe_loop_remove(p->keeper->loop, &p->drained_by_us);
	p->driver = driver;
}
