/* What a watcher of a terminal is told who does not always take it. */
#include "keeper/seat.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "keeper_fixture.h"
#include "sys/fd.h"
#include "sys/socket.h"

struct fixture {
	struct lxe_keeper k;
	struct lxe_process *p;
	struct lxe_channel *c;
	int watcher;
};

static void begin(struct fixture *f)
{
	struct lxe_keeper *k = &f->k;
	struct lxe_msg msg;
	int ends[2], least = 1;

	keeper_begin(k);
	lxe_msg_init(&msg, 0);
	f->p = lxe_process_new(k, &msg, NULL);
	cr_assert_not_null(f->p);
	cr_assert_eq(lxe_ring_new(&f->p->ring, &f->p->ring_fd), 0);
	cr_assert_eq(sys_socketpair(ends), 0);
	/* The kernel has a minimum of its own: a few messages. */
	cr_assert_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
	cr_assert_eq(sys_set_nonblock(ends[1], true), 0);
	f->watcher = ends[1];
	f->c = lxe_channel_new(k, ends[0], LXE_ROLE_WATCH);
	cr_assert_not_null(f->c);
	f->c->process = f->p;
	f->c->watches = true;
}

static void end(struct fixture *f)
{
	lxe_close(f->watcher);
	lxe_keeper_clean_up(&f->k);
}

static void print(struct fixture *f, size_t n)
{
	while (n) {
		struct iovec room = lxe_ring_room(f->p->ring, n);

		memset(room.iov_base, 'x', room.iov_len);
		lxe_ring_publish(f->p->ring, room.iov_len);
		n -= room.iov_len;
	}
}

/* Everything that is there for now: what comes first, and how many bytes of a picture are still to come. */
static enum lxe_msg_type take_all(struct fixture *f, uint64_t *missing)
{
	enum lxe_msg_type first = 0;
	struct lxe_msg msg;

	while (lxe_msg_recv(f->watcher, &msg) > 0) {
		first = first ? first : msg.type;
		if (msg.type == LXE_MSG_SNAPSHOT)
			*missing = msg.size;
		else
			*missing -= msg.n_bytes < *missing ? msg.n_bytes : *missing;
		lxe_msg_release(&msg);
	}
	return first;
}

Test(seat, a_picture_that_could_not_be_sent_is_sent_before_what_follows_it)
{
	uint64_t missing = 0;
	struct fixture f;

	begin(&f);
	print(&f, (size_t)64 * 1024);
	lxe_seat_output(f.p);
	cr_assert(f.c->behind);
	/* What he has is not in the ring any more, and there is no room for a new picture yet. */
	print(&f, (size_t)2 * LXE_RING_SIZE);
	lxe_seat_writable(f.c);
	cr_assert(f.c->behind);
	take_all(&f, &missing);
	lxe_seat_writable(f.c);
	cr_assert_eq(take_all(&f, &missing), LXE_MSG_SNAPSHOT);
	while (f.c->behind) {
		lxe_seat_writable(f.c);
		take_all(&f, &missing);
	}
	cr_assert_eq(missing, 0);
	end(&f);
}
