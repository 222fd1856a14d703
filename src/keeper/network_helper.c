#include "keeper/network_helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/apart.h"
#include "sys/proc.h"
#include "sys/socket.h"

#define UNDO_MS 25000 /* its own programs have 15 s each time, and a client's patience is 30 s */
#define END_MS 5000

struct start {
	const char *path;
	int socket;
	pid_t pid;
	int r;
};

static int plan_start(
	posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int socket)
{
	sigset_t none, all;
	int r = 0;

	sigemptyset(&none);
	sigfillset(&all);
	for (int fd = 0; r == 0 && fd < 3; fd++)
		r = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	/* Not a number that it has already: then it would be closed on the way. */
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, socket, LXE_NET_SOCKET);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, LXE_NET_SOCKET + 1);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(
			attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return -r;
}

static int spawn(void *arg)
{
	struct start *start = arg;
	char *const argv[] = { LXE_NET_PROGRAM, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	start->r = -posix_spawn_file_actions_init(&actions);
	if (start->r < 0)
		return 0;
	start->r = -posix_spawnattr_init(&attributes);
	if (start->r == 0) {
		start->r = plan_start(&actions, &attributes, start->socket);
		if (start->r == 0)
			start->r = -posix_spawn(
				&start->pid, start->path, &actions, &attributes, argv, environ);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return 0;
}

int lxe_net_helper_start(
	struct lxe_net_helper *ret, const char *libexec, bool apart, struct lxe_err *err)
{
	LXE_AUTOCLOSE int high = -EBADF;
	struct start start = { 0 };
	char path[PATH_MAX];
	int ends[2] = { -EBADF, -EBADF }, r;

	r = lxe_format(path, sizeof(path), "%s/" LXE_NET_PROGRAM, libexec);
	if (r == 0)
		r = sys_socketpair(ends);
	if (r < 0)
		return lxe_fail(err, r, "start '%s/" LXE_NET_PROGRAM "'", libexec);
	high = fcntl(ends[1], F_DUPFD_CLOEXEC, LXE_NET_SOCKET + 1);
	lxe_close(ends[1]);
	start.path = path;
	start.socket = high;
	r = high < 0 ? -errno : 0;
	if (r == 0)
		r = apart ? sys_call_apart(spawn, &start) : spawn(&start);
	if (r == 0)
		r = start.r;
	if (r < 0) {
		lxe_close(ends[0]);
		lxe_hint(err, "the installation is incomplete: run make install again");
		return lxe_fail(err, r, "start '%s'", path);
	}
	*ret = (struct lxe_net_helper){ .socket = ends[0], .pid = apart ? 0 : start.pid };
	return 0;
}

int lxe_net_helper_ask(
	struct lxe_net_helper *h, const struct lxe_net_ask *ask, const int *fds, size_t n)
{
	return sys_send(h->socket, ask, sizeof(*ask), fds, n);
}

static int await(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = sys_now_ms(), end = now + (uint64_t)timeout_ms;
	int r;

	do {
		r = poll(&p, 1, now < end ? (int)(end - now) : 0);
		now = sys_now_ms();
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

int lxe_net_helper_answer(struct lxe_net_helper *h, struct lxe_net_answer *ret, int *fds, size_t *n,
	int timeout_ms, struct lxe_err *err)
{
	ssize_t len;
	int r;

	r = await(h->socket, timeout_ms);
	if (r == 0) {
		len = sys_recv(h->socket, ret, sizeof(*ret), fds, n);
		if (len < 0)
			r = (int)len;
		else if (len != (ssize_t)sizeof(*ret))
			r = len == 0 ? -ECONNRESET : -EPROTO;
	}
	if (r < 0) {
		*n = 0;
		return lxe_fail(err, r, "wait for " LXE_NET_PROGRAM);
	}
	if (ret->r < 0 && err)
		*err = ret->err;
	return ret->r;
}

static void drain(int fd)
{
	struct lxe_net_answer dropped;
	int fds[LXE_NET_ANSWER_FDS];
	size_t n = LXE_NET_ANSWER_FDS;

	/* At most two answers are on their way; then comes the end of file. */
	for (int i = 0; i < 3; i++) {
		if (await(fd, END_MS) < 0)
			return;
		n = LXE_NET_ANSWER_FDS;
		if (sys_recv(fd, &dropped, sizeof(dropped), fds, &n) <= 0)
			return;
		while (n)
			lxe_close(fds[--n]);
	}
}

void lxe_net_helper_end(struct lxe_net_helper *h)
{
	if (h->socket < 0)
		return;
	/* Somebody else may have reaped it, but its number is our child's or nobody's for now. */
	if (h->pid > 0 && waitpid(h->pid, NULL, WNOHANG) == 0) {
		kill(h->pid, SIGKILL);
		sys_wait(h->pid, NULL);
	}
	drain(h->socket);
	lxe_drop_fd(&h->socket);
	h->pid = 0;
}

static int ask_undo(struct lxe_net_helper *h, const struct lxe_net_undo_how *how, int mounts,
	struct lxe_err *err)
{
	const int all[LXE_NET_UNDO_FDS] = { mounts, how->lease, how->undo_v4, how->undo_v6,
		how->log };
	struct lxe_net_ask ask = { .op = LXE_NET_UNDO, .guest4 = how->guest4, .netns = how->netns };
	int fds[LXE_NET_UNDO_FDS], r;
	size_t n = 0;

	for (unsigned int i = 0; i < LXE_NET_UNDO_FDS; i++) {
		if (all[i] < 0)
			continue;
		ask.has |= 1U << i;
		fds[n++] = all[i];
	}
	if (how->no_sets)
		ask.has |= LXE_NET_HAS_NO_SETS;
	ask.asker = how->apart ? 0 : getpid();
	memcpy(ask.id, how->id, sizeof(ask.id));
	r = lxe_format(ask.run, sizeof(ask.run), "%s", how->run);
	if (r == 0)
		r = lxe_net_helper_ask(h, &ask, fds, n);
	return r < 0 ? lxe_fail(err, r, "ask " LXE_NET_PROGRAM) : 0;
}

int lxe_net_undo_begin(
	struct lxe_net_helper *h, const struct lxe_net_undo_how *how, struct lxe_err *err)
{
	int r;

	/* It was started where the host's mounts are. Somebody may have killed it meanwhile. */
	if (h->socket >= 0 && ask_undo(h, how, -EBADF, NULL) == 0)
		return 0;
	lxe_net_helper_end(h);
	r = lxe_net_helper_start(h, how->libexec, how->apart, err);
	if (r == 0)
		r = ask_undo(h, how, how->mounts, err);
	if (r < 0)
		lxe_net_helper_end(h);
	return r;
}

int lxe_net_undo_await(struct lxe_net_helper *h, struct lxe_err *err)
{
	struct lxe_net_answer answer = { .r = 0 };
	size_t n = 0;
	int r;

	r = lxe_net_helper_answer(h, &answer, NULL, &n, UNDO_MS, err);
	lxe_net_helper_end(h);
	return r;
}
