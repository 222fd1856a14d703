/* Making images: the keeper's program does it, because the client does not link liblxc. */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "client/join.h"
#include "client/spawn.h"
#include "proto/msg.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/socket.h"

struct build {
	int control, signals;
	pid_t keeper;
	int signal;   /* that ends the build; 0: none yet */
	uint64_t end; /* then: of our patience, CLOCK_MONOTONIC in ms */
};

/* They stay blocked: what comes after the last build has nothing to end but our own exit. */
int lxe_client_watch_signals(int *ret, struct lxe_err *err)
{
	struct sigaction action;
	int wanted[SYS_N_FATAL];
	size_t n = 0;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < SYS_N_FATAL; i++) {
		/* What a caller like nohup(1) has made us ignore stays ignored. */
		if (sigaction(sys_fatal[i], NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			continue;
		sigaddset(&set, sys_fatal[i]);
		wanted[n++] = sys_fatal[i];
	}
	/* A caller that ignores SIGCHLD would have the kernel reap our keeper. */
	signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lxe_fail(err, -errno, "block signals");
	*ret = sys_signalfd(wanted, n);
	return *ret < 0 ? lxe_fail(err, *ret, "receive signals") : 0;
}

static int pack_words(struct lxe_msg *msg, const struct lxe_strv *words)
{
	for (size_t i = 0; i < words->n; i++) {
		size_t len = strlen(words->v[i]) + 1;

		if (msg->n_bytes + len > sizeof(msg->bytes))
			return -E2BIG;
		memcpy(msg->bytes + msg->n_bytes, words->v[i], len);
		msg->n_bytes += len;
	}
	return 0;
}

static int ask(
	const struct build *b, const struct lxe_dirs *dirs, const struct lxe_image_task *task)
{
	struct lxe_msg msg;
	int r;

	lxe_msg_init(&msg, LXE_MSG_BUILD);
	msg.dirs = *dirs;
	msg.flags = task->job;
	msg.fds[LXE_FD_STDIN] = task->source;
	msg.fds[LXE_FD_STDOUT] = task->output;
	msg.fds[LXE_FD_SPEC] = task->config > 0 ? task->config : -EBADF;
	r = lxe_format(msg.image, sizeof(msg.image), "%s", task->name);
	if (r == 0)
		r = pack_words(&msg, &task->words);
	return r < 0 ? r : lxe_msg_send(b->control, &msg);
}

/* The first one counts. A keeper that is gone is noticed where it is listened to. */
static void take_signal(struct build *b)
{
	struct signalfd_siginfo info;
	struct lxe_msg msg;

	if (sys_read(b->signals, &info, sizeof(info)) != (ssize_t)sizeof(info) || b->signal)
		return;
	b->signal = (int)info.ssi_signo;
	b->end = sys_now_ms() + LXE_ANSWER_MS;
	lxe_msg_init(&msg, LXE_MSG_STOP);
	msg.signal = b->signal;
	lxe_msg_send(b->control, &msg);
}

static int left_ms(const struct build *b)
{
	uint64_t now = sys_now_ms();

	if (!b->signal)
		return -1;
	return now < b->end ? (int)(b->end - now) : 0;
}

/* 1: that was the answer. */
static int take_message(
	const struct build *b, const struct lxe_image_task *task, struct lxe_msg *msg)
{
	int r = lxe_msg_recv(b->control, msg);

	if (r > 0 && msg->type == LXE_MSG_DONE)
		return 1;
	if (r > 0 && msg->type == LXE_MSG_DATA && task->say)
		task->say(task->arg, (const char *)msg->bytes, msg->n_bytes);
	if (r > 0)
		lxe_msg_release(msg);
	return r == 0 ? -EPIPE : r < 0 ? r : 0;
}

static int await_answer(struct build *b, const struct lxe_image_task *task, struct lxe_msg *msg)
{
	for (;;) {
		struct pollfd polled[] = {
			{ .fd = b->control, .events = POLLIN },
			{ .fd = b->signals, .events = POLLIN },
		};
		int r = poll(polled, 2, left_ms(b));

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			continue;
		if (polled[1].revents)
			take_signal(b);
		r = polled[0].revents ? take_message(b, task, msg) : 0;
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

static int judge(const struct lxe_outcome *o, struct lxe_err *err)
{
	return o->cause == LXE_CAUSE_EXIT ? 0 : lxe_outcome_fail(o, -EIO, err);
}

static int start(struct build *b, const struct lxe_dirs *dirs, struct lxe_err *err)
{
	int ends[2], r;

	r = sys_socketpair(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the control socket");
	b->control = ends[0];
	b->keeper = lxe_spawn_keeper(dirs, LXE_KEEPER_BUILD, &ends[1], 1, err);
	lxe_close(ends[1]);
	return b->keeper < 0 ? b->keeper : 0;
}

/* A keeper without an answer is stuck or dead; the template dies with it, and gc finds the rest. */
static int serve(struct build *b, const struct lxe_dirs *dirs, const struct lxe_image_task *task,
	struct lxe_err *err)
{
	struct lxe_msg msg;
	int status, r;

	lxe_msg_init(&msg, 0);
	r = ask(b, dirs, task);
	if (r == 0)
		r = await_answer(b, task, &msg);
	if (r < 0)
		kill(b->keeper, SIGKILL);
	sys_wait(b->keeper, &status);
	if (b->signal)
		r = -ECANCELED;
	else if (r < 0)
		r = lxe_fail_msg(err, -EIO, "image '%s': the keeper died", task->name);
	else
		r = judge(&msg.outcome, err);
	lxe_msg_release(&msg);
	return r;
}

int lxe_client_image(const struct lxe_dirs *dirs, const struct lxe_image_task *task, int *signal,
	struct lxe_err *err)
{
	struct build b = { .control = -EBADF, .signals = -EBADF };
	int r;

	r = lxe_client_watch_signals(&b.signals, err);
	if (r == 0)
		r = start(&b, dirs, err);
	if (r == 0)
		r = serve(&b, dirs, task, err);
	if (b.signal)
		*signal = b.signal;
	lxe_close(b.signals);
	lxe_close(b.control);
	return r;
}
