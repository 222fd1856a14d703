#include "container/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define ROOM_NEEDED (128 * 1024)
#define KILL_TIMEOUT_MS 10000
#define KEPT_MAX 8

static void keep_tail(struct lxe_tail *tail, const char *buf, size_t n)
{
	size_t over;

	if (n > sizeof(tail->text)) {
		buf += n - sizeof(tail->text);
		n = sizeof(tail->text);
	}
	over = tail->used + n > sizeof(tail->text) ? tail->used + n - sizeof(tail->text) : 0;
	memmove(tail->text, tail->text + over, tail->used - over);
	memcpy(tail->text + tail->used - over, buf, n);
	tail->used += n - over;
}

void lxe_tail_line(const struct lxe_tail *tail, char *buf, size_t size)
{
	size_t end = tail->used, start;

	while (end && tail->text[end - 1] == '\n')
		end--;
	start = end;
	while (start && tail->text[start - 1] != '\n' && tail->text[start - 1] != '\r')
		start--;
	lxe_excerpt(buf, size, tail->text + start, end - start);
}

/* The process, and our ends of its pipes. */
struct child {
	int pidfd;
	int output;
	int verdict;  /* a struct lxe_err: main() is through with it */
	uint64_t end; /* of our patience, CLOCK_MONOTONIC in ms */
};

/* What keeps printing must not postpone its deadline. */
static int wait_until(const struct lxe_worker *w, int fd, uint64_t end)
{
	uint64_t now = sys_now_ms();

	return now < end ? lxe_waiter_wait(w->waiter, fd, (int)(end - now)) : -ETIMEDOUT;
}

static int drain(const struct lxe_worker *w, const struct child *c, struct lxe_tail *tail)
{
	char buf[4096];
	ssize_t n;
	int r;

	for (;;) {
		r = wait_until(w, c->output, c->end);
		if (r < 0)
			return r;
		n = sys_read(c->output, buf, sizeof(buf));
		if (n <= 0)
			return (int)n;
		lxe_waiter_say(w->waiter, buf, (size_t)n);
		keep_tail(tail, buf, (size_t)n);
	}
}

static int set_environment(void)
{
	if (clearenv() != 0 ||
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) <
			0 ||
		setenv("LC_ALL", "C", 1) < 0 || setenv("HOME", "/root", 1) < 0)
		return -ENOMEM;
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The lock is inherited on purpose: if we are killed, it lasts until what was started has ended too. */
static int set_descriptors(const struct lxe_worker *w, int output, int verdict, int parent)
{
	LXE_AUTOCLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int keep[KEPT_MAX], r = 0;
	size_t n = 0;

	if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -errno;
	keep[n++] = verdict;
	keep[n++] = parent;
	if (w->lock >= 0) {
		keep[n++] = w->lock;
		r = sys_set_cloexec(w->lock, false);
	}
	for (size_t i = 0; i < w->n_keep && n < KEPT_MAX; i++)
		if (w->keep[i] > 2)
			keep[n++] = w->keep[i];
	qsort(keep, n, sizeof(keep[0]), compare);
	return r < 0 ? r : sys_close_from(3, keep, n);
}

/* pid 1 has no parent to ask getppid(2) for: `parent` is a pidfd. */
int lxe_worker_stay(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return sys_pidfd_wait(parent, 0) == -ETIMEDOUT ? 0 : -ESRCH;
}

static int prepare(const struct lxe_worker *w, int parent, int output, int verdict)
{
	int r = lxe_is_rootless() ? lxe_rootless_become_root() : 0;

	if (r == 0)
		r = lxe_worker_stay(parent);
	if (r < 0)
		return r;
	reset_signals();
	umask(022);
	r = set_environment();
	return r < 0 ? r : set_descriptors(w, output, verdict, parent);
}

static int run_child(const struct lxe_worker *w, int parent, int output, int verdict)
{
	struct lxe_err err = { 0 };
	int r = prepare(w, parent, output, verdict);

	if (r < 0)
		lxe_fail(&err, r, "prepare");
	else
		r = w->main(w->arg, parent, &err);
	err.code = r;
	(void)sys_write_all(verdict, &err, sizeof(err));
	return r;
}

/* What programs say of a full disk is seldom their last word. */
static int describe_full_disk(const char *path, struct lxe_err *err)
{
	struct statvfs fs;

	if (statvfs(path, &fs) < 0 || fs.f_bavail * fs.f_frsize >= ROOM_NEEDED)
		return 0;
	lxe_hint(err, "free space there, or set LXC_EXEC_STATE_DIR");
	return lxe_fail(err, -ENOSPC, "write to '%s'", path);
}

/*
 * The caller's way to wait may reap the child, and its status with it, so that is not looked at: the
 * verdict is written after main(), by pid 1, and with pid 1 everybody who could write is gone.
 */
static int judge(const struct lxe_worker *w, const struct child *c, struct lxe_err *err)
{
	struct lxe_err verdict;
	int r;

	if (sys_read(c->verdict, &verdict, sizeof(verdict)) != (ssize_t)sizeof(verdict))
		verdict = (struct lxe_err){ .code = -EIO };
	verdict.msg[sizeof(verdict.msg) - 1] = verdict.hint[sizeof(verdict.hint) - 1] = '\0';
	verdict.rule[sizeof(verdict.rule) - 1] = '\0';
	if (verdict.code == 0)
		return 0;
	r = describe_full_disk(w->disk, err);
	if (r < 0)
		return r;
	if (verdict.hint[0])
		lxe_hint(err, "%s", verdict.hint);
	r = verdict.code < 0 ? verdict.code : -EIO;
	return verdict.msg[0] ? lxe_fail_msg(err, r, "%s", verdict.msg) : r;
}

static void end_child(const struct child *c)
{
	sys_pidfd_kill(c->pidfd, SIGKILL);
	/* A disk that does not answer can hold it up even so; then it is init's one day. */
	if (sys_pidfd_wait(c->pidfd, KILL_TIMEOUT_MS) == 0)
		sys_pidfd_reap(c->pidfd);
}

static int supervise(const struct lxe_worker *w, const struct child *c, struct lxe_tail *said,
	struct lxe_err *err)
{
	int r;

	r = drain(w, c, said);
	if (r == 0)
		r = wait_until(w, c->pidfd, c->end);
	end_child(c);
	if (r == -ETIMEDOUT)
		return lxe_fail_msg(
			err, r, "%s did not end within %d s", w->what, w->timeout_ms / 1000);
	if (r < 0)
		return lxe_fail(err, r, "wait for %s", w->what);
	return judge(w, c, err);
}

int lxe_worker_run(const struct lxe_worker *w, struct lxe_tail *said, struct lxe_err *err)
{
	LXE_AUTOCLOSE int self = sys_pidfd_open(getpid());
	int output[2] = { -EBADF, -EBADF }, verdict[2] = { -EBADF, -EBADF }, r;
	struct child c = { .pidfd = -EBADF, .end = sys_now_ms() + (uint64_t)w->timeout_ms };
	pid_t pid;

	r = self < 0 ? self : sys_pipe(output);
	if (r == 0)
		r = sys_pipe(verdict);
	pid = r < 0 ? r : sys_fork_pidns(&c.pidfd);
	if (pid == 0)
		_exit(run_child(w, self, output[1], verdict[1]) < 0 ? 1 : 0);
	lxe_close(output[1]);
	lxe_close(verdict[1]);
	c.output = output[0];
	c.verdict = verdict[0];
	r = pid < 0 ? lxe_fail(err, pid, "start %s", w->what) : supervise(w, &c, said, err);
	lxe_close(c.output);
	lxe_close(c.verdict);
	lxe_close(c.pidfd);
	return r;
}
