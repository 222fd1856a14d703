#include "container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <lxc/lxccontainer.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"

/* What pid 1 finds open (see container/init/init.c), and where liblxc's log goes meanwhile. */
enum { INIT_FD = 100, READY_FD = 101, LOG_FD = 102 };

/* Each of them is the container's own. */
#define NAMESPACES                                                                                 \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | \
		CLONE_NEWCGROUP)

struct lxe_container {
	struct lxc_container *lxc;
	int log; /* memfd with liblxc's own errors */
	bool become_root;
	int init, devpts; /* kept: see lxe_container_know() */
};

/* liblxc logs only after this, and only in processes of which it is the last user. */
static void start_log(int fd)
{
	char path[64];
	struct lxc_log log = { .name = "lxc-exec", .file = path, .level = "ERROR", .quiet = true };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	lxc_log_init(&log);
}

/* The text of the last line of liblxc's log: "lxc-exec TIME ERROR file - file:function:line - text". */
static void last_log_line(int fd, char *ret, size_t size)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0, start;
	char *dash;

	ret[0] = '\0';
	if (sys_read_whole(fd, 1024 * 1024, &text, &len) < 0)
		return;
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	for (start = len; start && text[start - 1] != '\n'; start--)
		;
	dash = strstr(text + start, " - ");
	if (dash && strstr(dash + 3, " - "))
		dash = strstr(dash + 3, " - ") + 3;
	else
		dash = text + start;
	lxe_excerpt(ret, size, dash, strlen(dash));
}

static int fail_with_log(struct lxe_container *c, int r, struct lxe_err *err)
{
	char line[256];

	last_log_line(c->log, line, sizeof(line));
	return lxe_fail_msg(err, r, "start the container: %s",
		line[0] ? line : "pid 1 or its monitor ended before it was up");
}

/* liblxc has one line for each part of a map. */
static int set_idmap(
	struct lxc_container *lxc, const struct lxe_container_config *config, struct lxe_err *err)
{
	uint32_t n = config->idmap_count;
	const uint32_t whole[] = { 0, config->idmap_start, n };
	const uint32_t owners[] = { 0, config->idmap_owner, 1, 1, 1, n - 1, n, 0, 1 };
	const uint32_t *part = config->idmap_owner ? owners : whole;
	size_t parts = config->idmap_owner ? 3 : 1;
	char line[64];

	for (size_t i = 0; i < 2 * parts; i++, part += i % 2 ? 0 : 3) {
		snprintf(line, sizeof(line), "%c %u %u %u", i % 2 ? 'g' : 'u', part[0], part[1],
			part[2]);
		if (!lxc->set_config_item(lxc, "lxc.idmap", line))
			return lxe_fail_msg(err, -EINVAL,
				"configure the container: liblxc refused lxc.idmap = %s", line);
	}
	return 0;
}

static int set_items(
	struct lxc_container *lxc, const struct lxe_container_config *config, struct lxe_err *err)
{
	char rootfs[64 + 256], shm[128], size[32] = "";
	const struct {
		const char *key, *value;
	} items[] = {
		{ "lxc.rootfs.path", rootfs },
		/* Its own denies the mounts by which pid 1 covers /proc: commands enter it (confine/apparmor.h). */
		{ "lxc.apparmor.profile", "unchanged" },
		{ "lxc.rootfs.mount", config->rootfs_mount },
		{ "lxc.uts.name", config->hostname },
		{ "lxc.net.0.type", "empty" },
		{ "lxc.mount.auto", "proc:rw sys:ro" },
		{ "lxc.autodev", "1" },
		{ "lxc.mount.entry", shm },
		{ "lxc.mount.entry",
			"mqueue dev/mqueue mqueue nosuid,nodev,noexec,create=dir,optional 0 0" },
		{ "lxc.tty.max", "0" },
		{ "lxc.pty.max", "1024" },
		/* Without a console of its own: nothing would read it. */
		{ "lxc.console.path", "none" },
	};

	if (config->shm)
		snprintf(size, sizeof(size), "size=%" PRIu64 ",", config->shm);
	snprintf(shm, sizeof(shm), "tmpfs dev/shm tmpfs nosuid,nodev,%smode=1777,create=dir 0 0",
		size);
	if (lxe_format(rootfs, sizeof(rootfs), "dir:%s", config->rootfs) < 0)
		return lxe_fail(err, -ENAMETOOLONG, "use the root filesystem '%s'", config->rootfs);
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (!lxc->set_config_item(lxc, items[i].key, items[i].value))
			return lxe_fail_msg(err, -EINVAL,
				"configure the container: liblxc refused %s = %s", items[i].key,
				items[i].value);
	return set_idmap(lxc, config, err);
}

int lxe_container_new(
	struct lxe_container **ret, const struct lxe_container_config *config, struct lxe_err *err)
{
	struct lxe_container *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return lxe_fail(err, -ENOMEM, "allocate a container");
	c->init = c->devpts = -EBADF;
	/* Where else it looks for a place for its locks it finds none, and says that of whatever fails. */
	if (config->become_root)
		setenv("XDG_RUNTIME_DIR", "/run", 1);
	c->log = sys_memfd("lxe-log", 0);
	c->lxc = lxc_container_new(config->name, config->dir);
	if (c->log < 0 || !c->lxc) {
		r = lxe_fail_msg(
			err, -ENOMEM, "set up container '%s': liblxc refused", config->name);
		goto fail;
	}
	c->lxc->clear_config(c->lxc);
	c->become_root = config->become_root;
	r = set_items(c->lxc, config, err);
	if (r < 0)
		goto fail;
	*ret = c;
	return 0;
fail:
	lxe_container_free(c);
	return r;
}

void lxe_container_free(struct lxe_container *c)
{
	if (!c)
		return;
	if (c->lxc)
		lxc_container_put(c->lxc);
	lxe_close(c->log);
	lxe_close(c->init);
	lxe_close(c->devpts);
	free(c);
}

/* Descriptors of ours that pid 1 needs; everything else of the keeper's ends here. */
static int monitor_fds(const struct lxe_container_start *how, int ready, int log)
{
	static const int keep[] = { INIT_FD, READY_FD, LOG_FD };

	/* dup2 leaves out CLOEXEC; the sources lie below, because a keeper holds few descriptors. */
	if (dup2(how->init_fd, INIT_FD) < 0 || dup2(ready, READY_FD) < 0 || dup2(log, LOG_FD) < 0)
		return -errno;
	return sys_close_from(3, keep, sizeof(keep) / sizeof(keep[0]));
}

static int run_monitor(
	struct lxe_container *c, const struct lxe_container_start *how, pid_t keeper, int ready)
{
	char *const argv[] = { "/proc/self/fd/100", NULL };

	/* v1 lets an ordinary user move who is still himself, by a file that he has opened. */
	if (how->enter && how->enter(how->arg) < 0)
		return -EIO;
	/* Before the next: with the credentials the signal for the parent's death is forgotten, prctl(2). */
	if (c->become_root && lxe_rootless_become_root() < 0)
		return -EPERM;
	/* The signal is not sent for a parent that has died before: hence the look afterwards. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
		return -ESRCH;
	if (monitor_fds(how, ready, c->log) < 0)
		return -EIO;
	start_log(LOG_FD);
	c->lxc->want_daemonize(c->lxc, false);
	return c->lxc->start(c->lxc, 0, argv) ? 0 : -EIO;
}

int lxe_container_start(struct lxe_container *c, const struct lxe_container_start *how,
	pid_t *monitor, int *ready, struct lxe_err *err)
{
	LXE_AUTOCLOSE int reading = -EBADF, writing = -EBADF;
	pid_t keeper = getpid(), pid;
	int ends[2], r;

	r = sys_pipe(ends);
	if (r < 0)
		return lxe_fail(err, r, "make the ready pipe");
	reading = ends[0];
	writing = ends[1];
	pid = sys_fork_into(how->fork_fd);
	if (pid < 0)
		return lxe_fail(err, (int)pid, "fork the container's monitor");
	if (pid == 0)
		_exit(run_monitor(c, how, keeper, writing) < 0 ? 1 : 0);
	*monitor = pid;
	*ready = take_fd(&reading);
	return 0;
}

/* Of the line that /proc/PID/stat is: "pid (name) state ...", with any bytes in the name. */
static bool is_zombie(pid_t pid)
{
	char path[32], line[1024];
	const char *after;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (sys_read_file(AT_FDCWD, path, line, sizeof(line)) <= 0)
		return false;
	after = strrchr(line, ')');
	return after && after[1] == ' ' && after[2] == 'Z';
}

bool lxe_container_stalled(pid_t monitor)
{
	char path[64], children[128];
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", monitor, monitor);
	if (sys_read_file(AT_FDCWD, path, children, sizeof(children)) <= 0)
		return false;
	/* It has one at most. */
	children[strcspn(children, " ")] = '\0';
	return lxe_parse_int(children, 1, INT_MAX, &child) == 0 && is_zombie(child);
}

int lxe_container_started(struct lxe_container *c, int ready, struct lxe_err *err)
{
	char byte;
	ssize_t n = sys_read(ready, &byte, 1);

	if (n == 1)
		return 0;
	return fail_with_log(c, n < 0 ? (int)n : -EIO, err);
}

pid_t lxe_container_init(struct lxe_container *c)
{
	pid_t pid = c->lxc->init_pid(c->lxc);

	return pid > 0 ? pid : 0;
}

static int ask_for_init(struct lxe_container *c)
{
	int fd = c->lxc->init_pidfd(c->lxc);

	return fd == -1 ? -ESRCH : fd;
}

static int copy_of(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

int lxe_container_know(struct lxe_container *c)
{
	if (c->init < 0)
		c->init = ask_for_init(c);
	if (c->init >= 0 && c->devpts < 0)
		c->devpts = c->lxc->devpts_fd(c->lxc);
	return c->init < 0 ? c->init : c->devpts < 0 ? c->devpts : 0;
}

int lxe_container_pidfd(struct lxe_container *c)
{
	return c->init < 0 ? ask_for_init(c) : copy_of(c->init);
}

int lxe_container_devpts(struct lxe_container *c)
{
	return c->devpts < 0 ? c->lxc->devpts_fd(c->lxc) : copy_of(c->devpts);
}

/*
 * All at once, by root of the container and by nobody else: whoever it was outside is nobody inside. Not yet seen from
 * inside, because only children are in the pid namespace: so they are never dumpable there, which a change of
 * credentials may make of a process (fs.suid_dumpable, proc(5)).
 */
static int enter(int init)
{
	if (setns(init, NAMESPACES) < 0 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
		setresuid(0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

pid_t lxe_container_enter(
	struct lxe_container *c, int (*child)(void *arg), void *arg, struct lxe_err *err)
{
	LXE_AUTOCLOSE int init = lxe_container_pidfd(c);
	pid_t pid;
	int r = init < 0 ? init : enter(init);

	if (r < 0)
		return lxe_fail(err, r, "enter the container");
	pid = fork();
	if (pid == 0)
		_exit(child(arg));
	return pid < 0 ? lxe_fail(err, -errno, "fork in the container") : pid;
}
