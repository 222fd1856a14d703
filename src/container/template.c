#include "container/template.h"

#include <errno.h>
#include <fcntl.h>
#include <lxc/lxccontainer.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/cover.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define ROOM_NEEDED (128 * 1024)
#define KILL_TIMEOUT_MS 10000

/* The end of what was printed: enough for its last line. */
struct tail {
	char text[1024];
	size_t used;
};

static void keep_tail(struct tail *tail, const char *buf, size_t n)
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

static void last_line(const struct tail *tail, char *buf, size_t size)
{
	size_t end = tail->used, start;

	while (end && tail->text[end - 1] == '\n')
		end--;
	start = end;
	while (start && tail->text[start - 1] != '\n')
		start--;
	lxe_escape(buf, size, tail->text + start, end - start);
}

/* The process that runs the template, and our ends of its pipes. */
struct child {
	int pidfd;
	int output;
	int success;  /* a byte: create() is through with it */
	uint64_t end; /* of our patience, CLOCK_MONOTONIC in ms */
};

/* What keeps printing must not postpone its deadline. */
static int wait_until(const struct lxe_template *t, int fd, uint64_t end)
{
	uint64_t now = sys_now_ms();

	return now < end ? lxe_waiter_wait(t->waiter, fd, (int)(end - now)) : -ETIMEDOUT;
}

static int drain(const struct lxe_template *t, const struct child *c, struct tail *tail)
{
	char buf[4096];
	ssize_t n;
	int r;

	for (;;) {
		r = wait_until(t, c->output, c->end);
		if (r < 0)
			return r;
		n = sys_read(c->output, buf, sizeof(buf));
		if (n <= 0)
			return (int)n;
		keep_tail(tail, buf, (size_t)n);
	}
}

/*
 * The container's own name is the only configuration: with none at all, create() would read the
 * host's default.conf.
 */
static int create(const struct lxe_template *t)
{
	struct lxc_container *c = lxc_container_new(t->name, t->lxcpath);
	bool ok;

	if (!c)
		return -ENOMEM;
	c->clear_config(c);
	ok = c->set_config_item(c, "lxc.uts.name", t->name) &&
	     c->create(c, t->path, "dir", NULL, 0, NULL);
	lxc_container_put(c);
	return ok ? 0 : -EIO;
}

static int isolate(const struct lxe_template *t, struct lxe_err *err)
{
	const char *keep[] = { t->dirs->state, t->dirs->data };

	if (unshare(CLONE_NEWNS) < 0)
		return lxe_fail(err, -errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return lxe_fail(err, -errno, "detach from the host's mount namespace");
	/* The template's pids are not those of the host's /proc. */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return lxe_fail(err, -errno, "mount '/proc'");
	return lxe_cover_run(keep, sizeof(keep) / sizeof(keep[0]), err);
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

/* The lock is inherited on purpose: if we are killed, it lasts until the template has ended too. */
static int set_descriptors(int lock, int output, int success)
{
	LXE_AUTOCLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int keep[] = {
		lock < success ? lock : success,
		lock < success ? success : lock,
	};
	int r;

	if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -errno;
	r = sys_set_cloexec(lock, false);
	return r < 0 ? r : sys_close_from(3, keep, 2);
}

/* pid 1 has no parent to ask getppid(2) for: `parent` is a pidfd. */
static int die_with(int parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return sys_pidfd_wait(parent, 0) == -ETIMEDOUT ? 0 : -ESRCH;
}

static int run_child(const struct lxe_template *t, int parent, int output, int success)
{
	struct lxe_err err = { 0 };
	int r;

	r = lxe_is_rootless() ? lxe_rootless_become_root() : 0;
	if (r == 0)
		r = die_with(parent);
	if (r < 0)
		return r;
	reset_signals();
	umask(022);
	r = set_environment();
	if (r == 0)
		r = isolate(t, &err);
	if (r == 0)
		r = set_descriptors(t->lock, output, success);
	if (r == 0) {
		r = create(t);
		return r < 0 ? r : sys_write_all(success, "", 1);
	}
	if (!err.code)
		lxe_fail(&err, r, "prepare");
	(void)sys_write_all(output, err.msg, strlen(err.msg));
	return r;
}

/* What programs say of a full disk is seldom their last word. */
static bool disk_is_full(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && fs.f_bavail * fs.f_frsize < ROOM_NEEDED;
}

static const char *name_of(const struct lxe_template *t)
{
	const char *slash = strrchr(t->path, '/');

	return slash ? slash + 1 : t->path;
}

static int describe(const struct lxe_template *t, const struct tail *tail, struct lxe_err *err)
{
	char line[300];

	if (disk_is_full(t->dirs->state)) {
		lxe_hint(err, "free space there, or set LXC_EXEC_STATE_DIR");
		return lxe_fail(err, -ENOSPC, "write to '%s'", t->dirs->state);
	}
	last_line(tail, line, sizeof(line));
	return lxe_fail_msg(err, -EIO, "template '%s' failed: %s", name_of(t),
		line[0] ? line : "it printed nothing");
}

/*
 * The caller's way to wait may reap the child, and its status with it, so that is not looked at: the
 * byte is written after create(), by pid 1, and with pid 1 everybody who could write is gone.
 */
static bool has_succeeded(const struct child *c)
{
	char byte;

	return sys_read(c->success, &byte, 1) == 1;
}

static void end_child(const struct child *c)
{
	sys_pidfd_kill(c->pidfd, SIGKILL);
	/* A disk that does not answer can hold it up even so; then it is init's one day. */
	if (sys_pidfd_wait(c->pidfd, KILL_TIMEOUT_MS) == 0)
		sys_pidfd_reap(c->pidfd);
}

static int supervise(const struct lxe_template *t, const struct child *c, struct lxe_err *err)
{
	struct tail tail = { .used = 0 };
	int r;

	r = drain(t, c, &tail);
	if (r == 0)
		r = wait_until(t, c->pidfd, c->end);
	end_child(c);
	if (r == -ETIMEDOUT)
		return lxe_fail_msg(err, r, "template '%s' did not end within %d s", name_of(t),
			t->timeout_ms / 1000);
	if (r < 0)
		return lxe_fail(err, r, "wait for template '%s'", name_of(t));
	return has_succeeded(c) ? 0 : describe(t, &tail, err);
}

int lxe_template_run(const struct lxe_template *t, struct lxe_err *err)
{
	LXE_AUTOCLOSE int self = sys_pidfd_open(getpid());
	int output[2] = { -EBADF, -EBADF }, success[2] = { -EBADF, -EBADF }, r;
	struct child c = { .pidfd = -EBADF, .end = sys_now_ms() + (uint64_t)t->timeout_ms };
	pid_t pid;

	r = self < 0 ? self : sys_pipe(output);
	if (r == 0)
		r = sys_pipe(success);
	pid = r < 0 ? r : sys_fork_pidns(&c.pidfd);
	if (pid == 0)
		_exit(run_child(t, self, output[1], success[1]) < 0 ? 1 : 0);
	lxe_close(output[1]);
	lxe_close(success[1]);
	c.output = output[0];
	c.success = success[0];
	r = pid < 0 ? lxe_fail(err, pid, "start template '%s'", name_of(t)) : supervise(t, &c, err);
	lxe_close(c.output);
	lxe_close(c.success);
	lxe_close(c.pidfd);
	return r;
}
