/* The keeper's one way to wait: for what it wants, while everything else goes on. See keeper.h. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "keeper/blocked.h"
#include "keeper/keeper.h"
#include "keeper/watcher.h"
#include "sys/fd.h"
#include "sys/proc.h"

/*
 * What came before a deadline is not to be judged by it, also by a keeper that has not run for a while: what is there is
 * taken first, each source in turn. One that always has something ends a wait all the same.
 */
#define LATE_TURNS 1024

static struct lxe_process *process_of(const struct lxe_keeper *k, pid_t pid)
{
	struct lxe_process *p = k->processes;

	/* One that was reaped may still be told of, and its number is somebody else's by then. */
	while (p && (p->reaped || p->pid != pid))
		p = p->next;
	return p;
}

static bool is_entering(const struct lxe_keeper *k)
{
	for (const struct lxe_process *p = k->processes; p; p = p->next)
		if (p->state == LXE_PROCESS_ENTERING)
			return true;
	return false;
}

/*
 * The starter ends when it has told the command's pid, and the command may have been killed by then:
 * both can be reaped in one turn, before what the starter wrote is read.
 */
static void remember(struct lxe_keeper *k, pid_t pid, int status, const struct rusage *usage)
{
	struct lxe_ended *e = malloc(sizeof(*e));

	if (!e)
		return;
	*e = (struct lxe_ended){
		.next = k->early,
		.pid = pid,
		.before = k->next_number,
		.status = status,
		.usage = *usage,
	};
	k->early = e;
}

static void forget_early(struct lxe_keeper *k)
{
	while (k->early) {
		struct lxe_ended *e = k->early;

		k->early = e->next;
		free(e);
	}
}

void lxe_keeper_reaped(void *keeper, pid_t pid, int status, const struct rusage *usage)
{
	struct lxe_keeper *k = keeper;
	struct lxe_process *p = process_of(k, pid);

	lxe_network_reaped(k, pid);
	if (pid == k->monitor)
		k->monitor = 0;
	else if (p)
		lxe_process_reaped(p, status, usage);
	else if (is_entering(k))
		remember(k, pid, status, usage);
	else
		forget_early(k);
}

void lxe_keeper_know_process(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	for (const struct lxe_ended *e = k->early; e; e = e->next)
		if (e->pid == p->pid && p->number < e->before)
			lxe_process_reaped(p, e->status, &e->usage);
	if (!is_entering(k))
		forget_early(k);
}

static void reap(struct lxe_keeper *k)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = sys_reap(-1, &status, &usage)) > 0)
		lxe_keeper_reaped(k, pid, status, &usage);
}

static void take_signal(void *keeper, uint32_t events)
{
	struct lxe_keeper *k = keeper;
	struct signalfd_siginfo info;

	(void)events;
	if (sys_read(k->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(k);
	else
		lxe_keeper_stop(k, (int)info.ssi_signo, 0);
}

int lxe_keeper_set_up(struct lxe_keeper *k, int control, struct lxe_err *err)
{
	static const int handled[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGQUIT };
	sigset_t set;
	int r;

	k->signals = k->listening = k->connected.fd = k->signalled.fd = -EBADF;
	k->metrics.asked = k->metrics.asking.fd = -EBADF;
	r = lxe_loop_new(&k->loop);
	if (r < 0) {
		lxe_close(control);
		return lxe_fail(err, r, "make the event loop");
	}
	if (!lxe_channel_new(k, control, LXE_ROLE_CONTROL))
		return lxe_fail(err, -ENOMEM, "listen to the client");
	k->channels->holds = true;
	k->creator = k->channels->peer;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		sigaddset(&set, handled[i]);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return lxe_fail(err, -errno, "block signals");
	k->signals = sys_signalfd(handled, sizeof(handled) / sizeof(handled[0]));
	if (k->signals < 0)
		return lxe_fail(err, k->signals, "receive signals");
	k->signalled = (struct lxe_source){ .fd = -EBADF, .ready = take_signal, .arg = k };
	r = lxe_loop_add(k->loop, &k->signalled, k->signals, EPOLLIN);
	if (r < 0)
		return lxe_fail(err, r, "receive signals");
	/* What a starter leaves behind, and what a dying monitor does, comes to us. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return lxe_fail(err, -errno, "become a subreaper");
	return err->code;
}

void lxe_keeper_clean_up(struct lxe_keeper *k)
{
	lxe_network_free(k);
	while (k->processes)
		lxe_process_free(k->processes);
	lxe_watchers_close(k);
	while (k->channels)
		lxe_channel_free(k->channels);
	lxe_cow_release(&k->cow);
	forget_early(k);
	lxe_blocked_close(k);
	lxe_channels_close(k);
	lxe_drop_fd(&k->signals);
	lxe_loop_free(k->loop);
}

/* A deadline for a wait of several turns. */
struct deadline {
	uint64_t end_ms;   /* UINT64_MAX: there is none */
	unsigned int late; /* turns since then */
};

static struct deadline deadline_in(int timeout_ms)
{
	return (struct deadline){
		.end_ms = timeout_ms < 0 ? UINT64_MAX : sys_now_ms() + (uint64_t)timeout_ms,
	};
}

static int left_of(const struct deadline *d)
{
	uint64_t now = sys_now_ms();

	if (d->end_ms == UINT64_MAX)
		return -1;
	return d->end_ms > now ? (int)(d->end_ms - now) : 0;
}

/* A turn of the loop, 0, or a negative errno: -ETIMEDOUT when it was the last one. */
static int turn(const struct lxe_keeper *k, struct deadline *d)
{
	int left = left_of(d), r = lxe_loop_turn(k->loop, left);

	if (r < 0)
		return r;
	return left == 0 && (r == 0 || ++d->late == LATE_TURNS) ? -ETIMEDOUT : 0;
}

struct awaited {
	struct lxe_source source;
	bool ready;
};

static void is_ready(void *awaited, uint32_t events)
{
	(void)events;
	((struct awaited *)awaited)->ready = true;
}

int lxe_keeper_wait(struct lxe_keeper *k, int fd, int timeout_ms)
{
	struct awaited a = { .source = { .fd = -EBADF, .ready = is_ready, .arg = &a } };
	struct deadline d = deadline_in(timeout_ms);
	int r = lxe_loop_add(k->loop, &a.source, fd, EPOLLIN);

	while (r == 0 && !a.ready)
		r = k->stopping ? -ECANCELED : turn(k, &d);
	lxe_loop_remove(k->loop, &a.source);
	return a.ready ? 0 : r;
}

int lxe_keeper_wait_until(
	struct lxe_keeper *k, bool (*done)(const struct lxe_keeper *k), int timeout_ms)
{
	struct deadline d = deadline_in(timeout_ms);
	int r = 0;

	while (r == 0 && !done(k))
		r = turn(k, &d);
	return r == -ETIMEDOUT && done(k) ? 0 : r;
}
