#include "cgroup/group.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"
#include "sys/proc.h"

/* Descriptors held at once: well below the usual RLIMIT_NOFILE of 1024. */
#define BATCH 256
#define FREEZE_MS 500

struct batch {
	pid_t pid[BATCH];
	int fd[BATCH];
	size_t n;
};

/* Open the next processes of the list; those that have ended meanwhile are passed over. */
static int open_batch(struct batch *b, const struct lxe_pids *pids, size_t *next)
{
	for (b->n = 0; *next < pids->n && b->n < BATCH; (*next)++) {
		int fd;

		if (pids->v[*next] == 0)
			continue;
		fd = sys_pidfd_open(pids->v[*next]);
		if (fd == -ESRCH)
			continue;
		if (fd < 0)
			return b->n ? 0 : fd;
		b->pid[b->n] = pids->v[*next];
		b->fd[b->n++] = fd;
	}
	return 0;
}

/*
 * A number may have passed to a stranger between the list and pidfd_open(). Who is still listed
 * after the open is the one that was opened, or the opened one is dead and the signal goes nowhere.
 */
static void kill_batch(const struct batch *b, const struct lxe_pids *now, int signal)
{
	for (size_t i = 0; i < b->n; i++) {
		if (lxe_pids_has(now, b->pid[i]))
			sys_pidfd_kill(b->fd[i], signal);
		lxe_close(b->fd[i]);
	}
}

int lxe_cgroup_signal_tree(int dir, int signal)
{
	struct lxe_pids pids = { 0 }, now = { 0 };
	struct batch b;
	size_t next = 0;
	int r;

	r = lxe_cgroup_list(dir, &pids);
	while (r == 0 && next < pids.n) {
		r = open_batch(&b, &pids, &next);
		if (r == 0 && b.n) {
			r = lxe_cgroup_list(dir, &now);
			kill_batch(&b, &now, signal);
		}
	}
	lxe_pids_release(&pids);
	lxe_pids_release(&now);
	return r;
}

int lxe_cgroup_kill_tree(int dir)
{
	int r = sys_write_file(dir, "cgroup.kill", "1");

	if (r != -ENOENT)
		return r;
	/*
	 * v1, or v2 before Linux 5.14. First take away fork(2), whichever way there is: otherwise a
	 * tree that forks faster than we read would never end. Frozen processes still die in v2.
	 */
	sys_write_file(dir, "pids.max", "0");
	sys_write_file(dir, "cgroup.freeze", "1");
	r = lxe_cgroup_signal_tree(dir, SIGKILL);
	/* Again, for children that were in the middle of their birth. */
	return r < 0 ? r : lxe_cgroup_signal_tree(dir, SIGKILL);
}

/* Each process stops at its next way back from the kernel; cgroup.events tells when all have. */
static int await_frozen(int dir)
{
	LXE_AUTOCLOSE int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	uint64_t now = sys_now_ms(), end = now + FREEZE_MS;
	struct pollfd p = { .fd = events, .events = POLLPRI };
	char text[256];
	ssize_t n;

	if (events < 0)
		return -errno;
	for (; now < end; now = sys_now_ms()) {
		n = pread(events, text, sizeof(text) - 1, 0);
		if (n < 0)
			return -errno;
		text[n] = '\0';
		if (strstr(text, "frozen 1"))
			return 0;
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

static int freeze(int dir)
{
	int r = sys_write_file(dir, "cgroup.freeze", "1");

	if (r == 0)
		r = await_frozen(dir);
	if (r < 0)
		sys_write_file(dir, "cgroup.freeze", "0");
	return r;
}

int lxe_cgroup_freeze(const struct lxe_cgroup *cg, bool on)
{
	for (size_t i = 0; i < cg->n; i++)
		if (cg->dir[i].v2)
			return on ? freeze(cg->dir[i].fd)
				  : sys_write_file(cg->dir[i].fd, "cgroup.freeze", "0");
	return -ENODEV;
}
