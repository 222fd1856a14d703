/* The client's loop with its keeper in the test's hands, which has said all it says before the loop begins. */
#include "client/session.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/proc.h"

struct talk {
	struct lxe_session s;
	struct lxe_spec spec;
	struct lxe_outcome outcome;
	int keeper;
};

static void begin(struct talk *t, enum lxe_session_kind kind)
{
	static const int ends[] = { SIGTERM };
	sigset_t set;
	int pair[2];

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	cr_assert_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*t = (struct talk){ .keeper = pair[0] };
	t->s = (struct lxe_session){ .kind = kind,
		.spec = &t->spec,
		.outcome = &t->outcome,
		.control = pair[1],
		.signals = sys_signalfd(ends, 1),
		.deadline = sys_timer(),
		.probe = sys_timer(),
		.in = -EBADF,
		.out = -EBADF,
		.master = -EBADF,
		.bell = -EBADF };
	cr_assert(t->s.signals >= 0 && t->s.deadline >= 0 && t->s.probe >= 0);
}

static void end(struct talk *t)
{
	close(t->keeper);
	close(t->s.control);
	close(t->s.signals);
	close(t->s.deadline);
	close(t->s.probe);
}

static void say(const struct talk *t, enum lxe_msg_type type)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, type);
	msg.pid = 7;
	msg.outcome = (struct lxe_outcome){ .cause = LXE_CAUSE_EXIT, .has_status = true };
	cr_assert_eq(lxe_msg_send(t->keeper, &msg), 0);
}

/* Whoever was stopped finds everything at once: answers, and a deadline that has passed since, whatever it is set to. */
Test(session, an_answer_that_came_before_the_deadline_counts)
{
	struct talk t;

	begin(&t, LXE_SESSION_RUN);
	close(t.s.deadline);
	t.s.deadline = eventfd(1000, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	say(&t, LXE_MSG_BUILDING);
	say(&t, LXE_MSG_BUILDING);
	say(&t, LXE_MSG_DONE);
	cr_assert_eq(lxe_session_loop(&t.s, NULL), 0);
	cr_assert(t.s.has_outcome && t.outcome.has_status);
	end(&t);
}

Test(session, nobody_who_answers_is_noticed_at_the_deadline)
{
	struct talk t;

	begin(&t, LXE_SESSION_RUN);
	close(t.s.deadline);
	t.s.deadline = eventfd(1000, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	cr_assert_eq(lxe_session_loop(&t.s, NULL), 0);
	cr_assert(!t.s.has_outcome && t.s.control < 0);
	t.s.control = -EBADF;
	end(&t);
}

/* It crosses our STOP: what we leave to itself must be there. */
Test(session, what_is_created_and_told_to_end_is_not_there)
{
	struct talk t;

	begin(&t, LXE_SESSION_CREATE);
	cr_assert_eq(raise(SIGTERM), 0);
	say(&t, LXE_MSG_CREATED);
	say(&t, LXE_MSG_DONE);
	cr_assert_eq(lxe_session_loop(&t.s, NULL), 0);
	cr_assert(t.s.has_outcome && !t.s.detached && t.s.created == 0);
	cr_assert_eq(t.s.signal, SIGTERM);
	end(&t);
}

Test(session, what_is_created_is_left_to_itself)
{
	struct talk t;

	begin(&t, LXE_SESSION_CREATE);
	say(&t, LXE_MSG_CREATED);
	cr_assert_eq(lxe_session_loop(&t.s, NULL), 0);
	cr_assert(!t.s.has_outcome && t.s.detached && t.s.created == 7);
	end(&t);
}
