/* The keeper's one way to wait: for what it wants, while everybody may interrupt. See keeper.h. */
#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"
#include "sys/proc.h"

static uint64_t microseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void command_ended(struct lxe_keeper *k, int status, const struct rusage *usage)
{
	k->command.ended = true;
	k->command.status = status;
	k->outcome.user_us = microseconds(&usage->ru_utime);
	k->outcome.system_us = microseconds(&usage->ru_stime);
	k->outcome.max_rss = (uint64_t)usage->ru_maxrss * 1024;
}

/*
 * The starter ends when it has told the command's pid, and the command may have been killed by then:
 * both can be reaped in one turn, before what the starter wrote is read.
 */
static void remember(struct lxe_command *c, pid_t pid, int status, const struct rusage *usage)
{
	const unsigned int room = sizeof(c->early) / sizeof(c->early[0]);

	c->early[c->n_early++ % room] =
		(struct lxe_ended){ .pid = pid, .status = status, .usage = *usage };
}

void lxe_keeper_reaped(void *keeper, pid_t pid, int status, const struct rusage *usage)
{
	struct lxe_keeper *k = keeper;

	if (pid == k->monitor)
		k->monitor = 0;
	else if (k->command.pid == 0)
		remember(&k->command, pid, status, usage);
	else if (pid == k->command.pid && !k->command.ended)
		command_ended(k, status, usage);
}

void lxe_keeper_know_command(struct lxe_keeper *k, pid_t pid)
{
	const unsigned int room = sizeof(k->command.early) / sizeof(k->command.early[0]);

	k->command.pid = pid;
	for (unsigned int i = 0; i < room; i++) {
		const struct lxe_ended *e = &k->command.early[i];

		if (e->pid == pid)
			command_ended(k, e->status, &e->usage);
	}
}

static void reap(struct lxe_keeper *k)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = sys_reap(-1, &status, &usage)) > 0)
		lxe_keeper_reaped(k, pid, status, &usage);
}

static void client_lost(struct lxe_keeper *k)
{
	lxe_drop_fd(&k->control);
	k->client_gone = true;
	k->stopping = true;
}

static void take_message(struct lxe_keeper *k)
{
	struct lxe_msg msg;
	int r;

	r = lxe_msg_recv(k->control, &msg);
	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		/* Gone, or not speaking our language: for us the same. */
		client_lost(k);
		return;
	}
	if (msg.type == LXE_MSG_CREATE && !k->request.type) {
		k->request = msg;
		return;
	}
	if (msg.type == LXE_MSG_STOP) {
		k->stopping = true;
		k->stop_signal = msg.signal;
	} else if (msg.type == LXE_MSG_DRAINED) {
		k->drained = true;
	} else if (msg.type == LXE_MSG_BYE) {
		k->bye = true;
	}
	lxe_msg_release(&msg);
}

static void take_signal(struct lxe_keeper *k)
{
	struct signalfd_siginfo info;

	if (sys_read(k->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		reap(k);
	} else {
		k->stopping = true;
		k->stop_signal = (int)info.ssi_signo;
	}
}

static void take_events(struct lxe_keeper *k, const struct pollfd *polled)
{
	if (polled[1].revents)
		take_message(k);
	if (polled[2].revents)
		take_signal(k);
	if (polled[3].revents) {
		sys_drain_counter(k->timer);
		k->timed_out = true;
	}
}

int lxe_keeper_wait(struct lxe_keeper *k, int fd, int timeout_ms)
{
	uint64_t end = sys_now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);

	for (;;) {
		struct pollfd polled[] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = k->control, .events = POLLIN },
			{ .fd = k->signals, .events = POLLIN },
			{ .fd = k->timer, .events = POLLIN },
		};
		uint64_t now = sys_now_ms();
		int left = timeout_ms < 0 ? -1 : end > now ? (int)(end - now) : 0;
		int r;

		if (fd >= 0 && k->stopping)
			return -ECANCELED;
		r = poll(polled, sizeof(polled) / sizeof(polled[0]), left);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0)
			continue;
		take_events(k, polled);
		if (polled[0].revents)
			return 0;
		if (fd < 0)
			return 0;
	}
}
