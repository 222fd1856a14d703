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
#include "sys/fd.h"
#include "sys/proc.h"

#define ROOM_NEEDED (128 * 1024)

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

/* A log that cannot be written to does not end a build. */
static void drain(int from, int log, struct tail *tail)
{
	char buf[4096];
	ssize_t n;

	while ((n = sys_read(from, buf, sizeof(buf))) > 0) {
		keep_tail(tail, buf, (size_t)n);
		if (log >= 0)
			(void)sys_write_all(log, buf, (size_t)n);
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
static int set_descriptors(int lock, int output)
{
	LXE_AUTOCLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int r;

	if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
		return -errno;
	r = sys_set_cloexec(lock, false);
	return r < 0 ? r : sys_close_from(3, &lock, 1);
}

static int run_child(const struct lxe_template *t, int output, pid_t parent)
{
	struct lxe_err err = { 0 };
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return -ESRCH;
	reset_signals();
	umask(022);
	r = set_environment();
	if (r == 0)
		r = isolate(t, &err);
	if (r == 0)
		r = set_descriptors(t->lock, output);
	if (r == 0)
		return create(t);
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

static int describe(const struct lxe_template *t, const struct tail *tail, struct lxe_err *err)
{
	char line[300];
	const char *name = strrchr(t->path, '/');

	if (disk_is_full(t->dirs->state)) {
		lxe_hint(err, "free space there, or set LXC_EXEC_STATE_DIR");
		return lxe_fail(err, -ENOSPC, "write to '%s'", t->dirs->state);
	}
	last_line(tail, line, sizeof(line));
	return lxe_fail_msg(err, -EIO, "template '%s' failed: %s", name ? name + 1 : t->path,
		line[0] ? line : "it printed nothing");
}

int lxe_template_run(const struct lxe_template *t, struct lxe_err *err)
{
	struct tail tail = { .used = 0 };
	pid_t parent = getpid(), pid;
	int output[2], status, r;

	r = sys_pipe(output);
	if (r < 0)
		return lxe_fail(err, r, "make a pipe");
	pid = sys_fork_into(-EBADF);
	if (pid == 0)
		_exit(run_child(t, output[1], parent) < 0 ? 1 : 0);
	lxe_close(output[1]);
	if (pid > 0)
		drain(output[0], t->log, &tail);
	lxe_close(output[0]);
	if (pid < 0)
		return lxe_fail(err, pid, "fork");
	r = sys_wait(pid, &status);
	if (r < 0)
		return lxe_fail(err, r, "wait for the template");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : describe(t, &tail, err);
}
