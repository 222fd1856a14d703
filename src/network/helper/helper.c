/*
 * lxc-exec-net: makes a sandbox's network, and takes it back. Started by a keeper, or by whoever tears down in
 * its place, with a socket on which it is told what to do (work.h). The only program that loads libmnl,
 * and that starts iptables.
 */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/netns.h"
#include "network/setup.h"
#include "network/work.h"
#include "policy/spec.h"
#include "sys/fd.h"
#include "sys/socket.h"

static int answer(const struct lxe_net_answer *a, const int *fds, size_t n)
{
	return sys_send(LXE_NET_SOCKET, a, sizeof(*a), fds, n) < 0 ? 1 : 0;
}

static int receive(struct lxe_net_ask *ask, int *fds, size_t *n)
{
	ssize_t len = sys_recv(LXE_NET_SOCKET, ask, sizeof(*ask), fds, n);

	if (len < 0)
		return (int)len;
	return len == (ssize_t)sizeof(*ask) ? 0 : -EPROTO;
}

/* What is being made must not go on when nobody knows of it any more. */
static int end_with(pid_t asker)
{
	if (asker == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return getppid() == asker ? 0 : -ESRCH;
}

/* What RULES has made and LINK needs; nothing of it outlives that. */
struct making {
	int dir; /* with the lock, or negative */
	struct lxe_net_setup setup;
};

static void init(struct making *m)
{
	m->dir = -EBADF;
	lxe_net_setup_init(&m->setup);
}

/* It may be long until the next question: who waits for it has nothing that others wait for. */
static void release(struct making *m)
{
	lxe_net_setup_release(&m->setup);
	lxe_close(m->dir);
	init(m);
	malloc_trim(0);
}

static int make_rules(struct making *m, const struct lxe_net_ask *ask, struct lxe_err *err)
{
	struct lxe_spec spec;
	int r;

	/* The lock that came with it is held by the tools as well. */
	r = sys_set_cloexec(m->dir, false);
	if (r < 0)
		return lxe_fail(err, r, "keep the sandbox's directory");
	lxe_spec_init(&spec);
	r = lxe_net_read_spec(&spec, m->dir, err);
	if (r == 0)
		r = lxe_net_make_rules(&m->setup, ask, &spec.net, err);
	lxe_spec_release(&spec);
	return r;
}

static int serve_rules(
	struct making *m, const struct lxe_net_ask *ask, const int *asked, size_t n_asked)
{
	struct lxe_net_setup *setup = &m->setup;
	struct lxe_net_answer a = { .r = 0 };
	int fds[LXE_NET_ANSWER_FDS], status;
	size_t n = 0;

	if (n_asked < 1 || m->dir >= 0)
		return 1;
	m->dir = asked[0];
	setup->n_pipes = n_asked - 1;
	memcpy(setup->pipes, asked + 1, setup->n_pipes * sizeof(*asked));
	a.r = make_rules(m, ask, &a.err);
	a.given = setup->given;
	a.has_undo_v6 = setup->undo_v6 >= 0;
	if (a.r == 0) {
		fds[n++] = setup->lease.fd;
		fds[n++] = setup->undo_v4;
		if (a.has_undo_v6)
			fds[n++] = setup->undo_v6;
		if (setup->log >= 0)
			fds[n++] = setup->log;
		a.log_error = setup->log < 0 ? setup->log : 0;
	}
	status = answer(&a, fds, n);
	/* It ends with the keeper's. */
	lxe_drop_fd(&setup->log);
	return a.r < 0 ? 1 : status;
}

static int serve_link(struct making *m, const struct lxe_net_ask *ask, const int *fds, size_t n)
{
	struct lxe_net_answer a = { .r = 0 };

	if (n != 1 || m->dir < 0)
		return 1;
	a.r = lxe_net_make_link(&m->setup, ask, fds[0], &a.err);
	lxe_close(fds[0]);
	release(m);
	return answer(&a, NULL, 0);
}

static int undo_where_it_is(const struct lxe_net_undo *undo, struct lxe_err *err)
{
	int r = lxe_netns_enter(undo->ask->netns);

	if (r == -EXDEV)
		return lxe_fail_msg(err, r,
			"not known from this pid namespace whether its network namespace is gone: "
			"its rules are gc's on the host");
	/* With its namespace all of it is gone. */
	return r < 0 ? 0 : lxe_net_undo(undo, err);
}

static int serve_undo(const struct lxe_net_ask *ask, const int *fds, size_t n)
{
	struct lxe_net_undo undo = { .ask = ask, .lease = -EBADF, .applied = LXE_NET_APPLIED_NONE };
	struct lxe_net_answer a = { .r = 0 };
	size_t i = 0;

	if (n != (size_t)__builtin_popcount(ask->has & ~LXE_NET_HAS_NO_SETS))
		return 1;
	if (ask->has & LXE_NET_HAS_MOUNTS && setns(fds[i++], CLONE_NEWNS) < 0)
		a.r = lxe_fail(&a.err, -errno, "enter the host's mount namespace");
	if (ask->has & LXE_NET_HAS_LEASE)
		undo.lease = fds[i++];
	if (ask->has & LXE_NET_HAS_UNDO_V4)
		undo.applied.undo_v4 = fds[i++];
	if (ask->has & LXE_NET_HAS_UNDO_V6)
		undo.applied.undo_v6 = fds[i++];
	if (ask->has & LXE_NET_HAS_LOG)
		undo.applied.log = fds[i++];
	if (a.r == 0)
		a.r = undo_where_it_is(&undo, &a.err);
	answer(&a, NULL, 0);
	return 1;
}

/* 0: there may be another question. */
static int serve(struct making *m, const struct lxe_net_ask *ask, const int *fds, size_t n)
{
	switch (ask->op) {
	case LXE_NET_RULES:
		return serve_rules(m, ask, fds, n);
	case LXE_NET_LINK:
		return serve_link(m, ask, fds, n);
	case LXE_NET_UNDO:
		return serve_undo(ask, fds, n);
	}
	return 1;
}

static void block_sigpipe(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(void)
{
	int fds[LXE_NET_ASK_FDS];
	size_t n = LXE_NET_ASK_FDS;
	struct lxe_net_ask ask;
	struct making making;

	if (receive(&ask, fds, &n) < 0 || end_with(ask.asker) < 0) {
		fputs("this is started by lxc-exec-keeper\n", stderr);
		return 1;
	}
	init(&making);
	/* For good: a tool, or a dnsmasq, that ends before it has read everything says why. */
	block_sigpipe();
	/* End of file: the sandbox is not made after all, or the keeper has ended. */
	do {
		ask.id[LXE_ID_LEN] = '\0';
		ask.run[sizeof(ask.run) - 1] = '\0';
		if (serve(&making, &ask, fds, n) != 0)
			break;
		n = LXE_NET_ASK_FDS;
	} while (receive(&ask, fds, &n) == 0);
	return 0;
}
