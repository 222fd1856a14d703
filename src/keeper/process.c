/* A command's process moving on by events. See process.h. */
#include "keeper/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/child.h"
#include "keeper/explain.h"
#include "keeper/keeper.h"
#include "keeper/verify.h"
#include "keeper/watcher.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/rawtty.h"

#define STEP_TIMEOUT_MS 20000

struct lxe_process *lxe_process_new(
	struct lxe_keeper *k, struct lxe_msg *request, struct lxe_channel *client)
{
	struct lxe_process *p = calloc(1, sizeof(*p));
	struct lxe_process **last = &k->processes;

	if (!p)
		return NULL;
	p->keeper = k;
	p->number = k->next_number++;
	p->request = *request;
	lxe_msg_init(request, 0);
	p->client = client;
	p->pty = (struct lxe_pty){ .master = -EBADF, .slave = -EBADF };
	lxe_learner_init(&p->learner, k);
	p->look.said = p->ring_fd = p->answer = p->report = p->release = -EBADF;
	p->answered.fd = p->reported.fd = p->drained_by_us.fd = p->rung.fd = p->bell = -EBADF;
	p->outcome = (struct lxe_outcome){ .bytes_out = -1, .created_at_ms = sys_epoch_ms() };
	memcpy(p->outcome.id, k->sandbox.id, sizeof(p->outcome.id));
	lxe_output_init(p);
	p->life.arg = p->seat.arg = p->patience.arg = p->step.arg = p;
	while (*last)
		last = &(*last)->next;
	*last = p;
	return p;
}

void lxe_process_free(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;
	struct lxe_process **at = &k->processes;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	lxe_loop_clear_timer(k->loop, &p->step);
	lxe_loop_clear_timer(k->loop, &p->life);
	lxe_loop_clear_timer(k->loop, &p->patience);
	lxe_limits_unwatch(p);
	lxe_loop_remove(k->loop, &p->answered);
	lxe_loop_remove(k->loop, &p->reported);
	lxe_loop_remove(k->loop, &p->drained_by_us);
	lxe_loop_remove(k->loop, &p->rung);
	lxe_loop_clear_timer(k->loop, &p->seat);
	lxe_learner_close(&p->learner);
	lxe_watcher_forget(p);
	lxe_close(p->bell);
	lxe_close(p->answer);
	lxe_close(p->report);
	lxe_close(p->release);
	lxe_pty_release(&p->pty);
	lxe_metrics_gone(p);
	lxe_output_release(p);
	lxe_ring_unmap(p->ring);
	lxe_look_end(p);
	lxe_close(p->look.said);
	lxe_close(p->ring_fd);
	lxe_cgroup_leaf_free(p->leaf);
	lxe_spec_release(&p->spec);
	lxe_msg_release(&p->request);
	free(p);
}

void lxe_process_restore_terminal(struct lxe_process *p)
{
	const struct lxe_msg *m = &p->request;

	if (!p->client && !p->bye && m->fds[LXE_FD_TTY] >= 0)
		lxe_rawtty_restore_if(m->fds[LXE_FD_TTY], &m->tty_raw, &m->tty_saved);
}

static void move(struct lxe_process *p, enum lxe_process_state to)
{
	/* An illegal step is a bug of ours: better to end, and be cleaned up after, than to go on. */
	if (lxe_process_move(&p->state, to) < 0)
		abort();
	lxe_keeper_moved(p);
}

/* The child says nothing more: it has executed its command, or it is gone. */
static void close_report(struct lxe_process *p)
{
	lxe_loop_remove(p->keeper->loop, &p->reported);
	lxe_drop_fd(&p->report);
}

static void end(struct lxe_process *p)
{
	lxe_loop_clear_timer(p->keeper->loop, &p->step);
	move(p, LXE_PROCESS_ENDED);
}

void lxe_process_fail(struct lxe_process *p, const struct lxe_err *err)
{
	if (p->state == LXE_PROCESS_ENDED)
		return;
	lxe_outcome_take_err(&p->outcome, err);
	if (!p->outcome.error)
		p->outcome.error = LXE_EXIT_ERROR;
	close_report(p);
	lxe_loop_remove(p->keeper->loop, &p->answered);
	lxe_drop_fd(&p->answer);
	lxe_drop_fd(&p->release);
	lxe_process_kill(p);
	end(p);
}

static void fail_plain(struct lxe_process *p, const char *what)
{
	struct lxe_err err = { 0 };

	lxe_fail_msg(&err, -EIO, "%s", what);
	lxe_process_fail(p, &err);
}

static void died_parking(struct lxe_process *p)
{
	struct lxe_err err = { 0 };

	lxe_fail_msg(&err, -EIO, "park the command: its process died");
	lxe_seccomp_hint(p, &err);
	lxe_process_fail(p, &err);
}

static uint64_t microseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec;
}

static void step_timed_out(void *process)
{
	struct lxe_process *p = process;
	struct lxe_err err = { 0 };

	lxe_fail(&err, -ETIMEDOUT, "%s",
		p->state == LXE_PROCESS_ENTERING  ? "enter the container"
		: p->state == LXE_PROCESS_PARKING ? "park the command"
						  : "execute the command");
	lxe_process_fail(p, &err);
}

static bool awaits_start(const struct lxe_channel *c, const struct lxe_process *p)
{
	return c->process == p && (c->starts || (c == p->client && !p->started));
}

static void tell_that_it_takes_longer(const struct lxe_process *p)
{
	for (struct lxe_channel *c = p->keeper->channels; c; c = c->next)
		if (awaits_start(c, p))
			lxe_channel_say(c, LXE_MSG_BUILDING);
}

static void await_step(struct lxe_process *p)
{
	p->step.passed = step_timed_out;
	p->step.arg = p;
	if (p->keeper->cow.freezers)
		tell_that_it_takes_longer(p);
	else
		lxe_loop_set_timer(p->keeper->loop, &p->step, STEP_TIMEOUT_MS);
}

void lxe_process_time_step_anew(struct lxe_process *p)
{
	lxe_loop_clear_timer(p->keeper->loop, &p->step);
	if (p->state == LXE_PROCESS_ENTERING || p->state == LXE_PROCESS_PARKING ||
		p->state == LXE_PROCESS_RELEASED)
		await_step(p);
}

/* The child changes none of them any more, and has enough to do meanwhile. */
static void verify_namespaces(struct lxe_process *p)
{
	struct lxe_err err = { 0 };
	int r = p->reaped ? 0 : lxe_verify_namespaces(p->pid, &err);

	/* Who is about to end may be nobody's to look at any more; one that parks has to be. */
	p->unseen = r == -EACCES;
	/* One that has died, and so has no namespaces, has reported why, or its end does. */
	if (r < 0 && r != -ESRCH && !p->unseen)
		lxe_process_fail(p, &err);
}

static void hear_child(void *process, uint32_t events);

/* What the child says is listened to from now on: it may have been quicker than the starter, whose word comes first. */
static void entered(struct lxe_process *p, pid_t pid)
{
	struct lxe_err err = { 0 };
	int r;

	p->pid = pid;
	await_step(p);
	move(p, LXE_PROCESS_PARKING);
	lxe_keeper_know_process(p);
	p->reported.ready = hear_child;
	p->reported.arg = p;
	r = lxe_loop_add(p->keeper->loop, &p->reported, p->report, EPOLLIN);
	if (r < 0) {
		lxe_fail(&err, r, "listen to the command's process");
		lxe_process_fail(p, &err);
		return;
	}
	verify_namespaces(p);
}

static void hear_starter(void *process, uint32_t events)
{
	struct lxe_process *p = process;
	struct lxe_starter_report report = { 0 };
	ssize_t n = sys_read(p->answer, &report, sizeof(report));

	(void)events;
	lxe_loop_remove(p->keeper->loop, &p->answered);
	lxe_drop_fd(&p->answer);
	if (n != (ssize_t)sizeof(report)) {
		fail_plain(p, "enter the container: the starter died");
	} else if (report.pid < 0) {
		lxe_explain_entry(p, &report.err);
		lxe_process_fail(p, &report.err);
	} else {
		entered(p, report.pid);
	}
}

static void parked(struct lxe_process *p, int listener)
{
	struct lxe_err err = { 0 };

	if (p->reaped) {
		died_parking(p);
	} else if ((p->unseen && lxe_verify_namespaces(p->pid, &err) < 0) ||
		   lxe_limits_of_process(p, &err) < 0 ||
		   lxe_verify_confinement(p->pid, &p->confinement, &err) < 0 ||
		   (listener >= 0 && lxe_watcher_begin(p, listener, &err) < 0)) {
		lxe_process_fail(p, &err);
	} else {
		lxe_loop_clear_timer(p->keeper->loop, &p->step);
		lxe_process_know_tree(p);
		move(p, LXE_PROCESS_PARKED);
	}
}

static void hear_step(struct lxe_process *p, const struct lxe_child_report *report)
{
	struct lxe_err err = { 0 };

	if (report->step == LXE_CHILD_PARKED && !report->error) {
		parked(p, report->listener);
		return;
	}
	lxe_explain(p, report, &err);
	lxe_process_fail(p, &err);
}

/* End of file comes with the execve that closes the pipe, or with the end of the process. */
static void hear_end_of_report(struct lxe_process *p)
{
	close_report(p);
	if (p->state != LXE_PROCESS_RELEASED) {
		died_parking(p);
		return;
	}
	lxe_loop_clear_timer(p->keeper->loop, &p->step);
	move(p, LXE_PROCESS_RUNNING);
	if (p->reaped)
		end(p);
}

static void hear_child(void *process, uint32_t events)
{
	struct lxe_process *p = process;
	struct lxe_child_report report;

	(void)events;
	if (sys_read(p->report, &report, sizeof(report)) == (ssize_t)sizeof(report))
		hear_step(p, &report);
	else
		hear_end_of_report(p);
}

void lxe_process_release(struct lxe_process *p)
{
	struct lxe_err err = { 0 };
	int r = sys_write_all(p->release, "", 1);

	if (r < 0 && r != -EPIPE) {
		lxe_fail(&err, r, "release the command");
		lxe_process_fail(p, &err);
		return;
	}
	lxe_drop_fd(&p->release);
	await_step(p);
	move(p, LXE_PROCESS_RELEASED);
}

bool lxe_process_runs(const struct lxe_process *p)
{
	return p->started && p->state < LXE_PROCESS_ENDED && !p->reaped;
}

void lxe_process_reaped(struct lxe_process *p, int status, const struct rusage *usage)
{
	if (p->reaped)
		return;
	p->reaped = true;
	p->status = status;
	p->outcome.user_us = microseconds(&usage->ru_utime);
	p->outcome.system_us = microseconds(&usage->ru_stime);
	p->outcome.max_rss = (uint64_t)usage->ru_maxrss * 1024;
	if (p->state == LXE_PROCESS_RUNNING)
		end(p);
}

void lxe_process_kill(struct lxe_process *p)
{
	if (p->state == LXE_PROCESS_ENDED || !p->leaf)
		return;
	if (p == p->keeper->main)
		lxe_cgroup_let_end(p->keeper->cgroup);
	if (lxe_keeper_lacks_cgroup(p->keeper))
		lxe_process_kill_tree(p);
	else if (lxe_cgroup_leaf_kill(p->leaf) < 0 && p->pid > 0 && !p->reaped)
		kill(p->pid, SIGKILL);
}

int lxe_process_listen(struct lxe_process *p, struct lxe_err *err)
{
	int r;

	p->answered.ready = hear_starter;
	p->answered.arg = p;
	r = lxe_loop_add(p->keeper->loop, &p->answered, p->answer, EPOLLIN);
	return r < 0 ? lxe_fail(err, r, "listen to the command's process") : 0;
}

void lxe_process_entering(struct lxe_process *p)
{
	await_step(p);
	move(p, LXE_PROCESS_ENTERING);
}
