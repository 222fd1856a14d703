#include "store/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/passwd.h"
#include "sys/proc.h"
#include "sys/tree.h"

#define INSIDE "LXC_EXEC_INSIDE" /* in the environment of who has been through it */

bool lxe_is_rootless(void)
{
	return geteuid() != 0;
}

bool lxe_rootless_line(const char *text, const char *name, uid_t uid, struct lxe_subid *ret)
{
	struct lxe_subid line;
	char number[16];

	snprintf(number, sizeof(number), "%u", uid);
	while (lxe_subid_next(&text, &line)) {
		if (line.count < LXE_ROOTLESS_COUNT || line.start == 0 ||
			(strcmp(line.owner, number) != 0 &&
				(!name || strcmp(line.owner, name) != 0)))
			continue;
		*ret = line;
		return true;
	}
	return false;
}

static int find_line(const char *path, const char *name, uint32_t *ret, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	struct lxe_subid line;
	int r = lxe_subid_read(path, &text);

	if (r < 0)
		return lxe_fail(err, r, "read '%s'", path);
	if (text && lxe_rootless_line(text, name, getuid(), &line)) {
		*ret = (uint32_t)line.start;
		return 0;
	}
	lxe_hint(err, "as root: lxc-exec doctor --fix %s", name ? name : "USER");
	return lxe_fail_msg(err, -EPERM, "'%s' gives no %u ids to user %s", path,
		LXE_ROOTLESS_COUNT, name ? name : "of this number");
}

int lxe_rootless_ids(struct lxe_rootless_ids *ret, struct lxe_err *err)
{
	struct sys_user user;
	const char *name = sys_user_find(&user, NULL, getuid()) == 0 ? user.name : NULL;
	int r = find_line("/etc/subuid", name, &ret->uids, err);

	return r < 0 ? r : find_line("/etc/subgid", name, &ret->gids, err);
}

const char *lxe_rootless_tool(bool gids)
{
	static const char *const places[2][4] = {
		{ "/usr/bin/newuidmap", "/bin/newuidmap", "/usr/local/bin/newuidmap", NULL },
		{ "/usr/bin/newgidmap", "/bin/newgidmap", "/usr/local/bin/newgidmap", NULL },
	};

	for (size_t i = 0; places[gids][i]; i++)
		if (access(places[gids][i], X_OK) == 0)
			return places[gids][i];
	return NULL;
}

static int fail_tool(bool gids, struct lxe_err *err)
{
	lxe_hint(err, "as root: apt-get install uidmap");
	return lxe_fail_msg(err, -ENOENT, "%s is not installed", gids ? "newgidmap" : "newuidmap");
}

/* The two programs, started before the namespace is there because they have to stay outside of it. */
struct mappers {
	pid_t pid[2];
	int go;	    /* a byte for each: the namespace is there */
	int output; /* what they complain of */
};

static void run_mapper(char *const argv[], const int go[2], int output)
{
	char *const envp[] = { NULL };
	char byte;

	lxe_close(go[1]);
	/* Nothing but the end of the file: there will be no namespace. */
	if (sys_read(go[0], &byte, 1) != 1 || dup2(output, 2) < 0)
		_exit(125);
	execve(argv[0], argv, envp);
	_exit(127);
}

static int start_mapper(struct mappers *m, bool gids, uint32_t start, const int go[2], int output,
	struct lxe_err *err)
{
	char target[16], first[16], count[16], own[16];
	const char *tool = lxe_rootless_tool(gids);
	pid_t pid;

	if (!tool)
		return fail_tool(gids, err);
	snprintf(target, sizeof(target), "%d", getpid());
	snprintf(first, sizeof(first), "%u", start);
	snprintf(count, sizeof(count), "%u", LXE_ROOTLESS_COUNT);
	snprintf(own, sizeof(own), "%u", gids ? getegid() : geteuid());
	char *const argv[] = { (char *)tool, target, "0", first, count, count, own, "1", NULL };

	pid = fork();
	if (pid < 0)
		return lxe_fail(err, -errno, "start '%s'", tool);
	if (pid == 0)
		run_mapper(argv, go, output);
	m->pid[gids] = pid;
	return 0;
}

static int start_mappers(struct mappers *m, const struct lxe_rootless_ids *ids, struct lxe_err *err)
{
	int go[2] = { -EBADF, -EBADF }, output[2] = { -EBADF, -EBADF }, r;

	r = sys_pipe(go);
	if (r == 0)
		r = sys_pipe(output);
	if (r < 0)
		lxe_fail(err, r, "make a pipe");
	if (r == 0)
		r = start_mapper(m, false, ids->uids, go, output[1], err);
	if (r == 0)
		r = start_mapper(m, true, ids->gids, go, output[1], err);
	m->go = go[1];
	m->output = output[0];
	lxe_close(go[0]);
	lxe_close(output[1]);
	return r;
}

/* Both are reaped, whatever becomes of the first. */
static int finish_mappers(struct mappers *m, bool go, struct lxe_err *err)
{
	char said[256], line[300];
	int failed = 0, status;
	ssize_t n;

	if (go)
		sys_write_all(m->go, "gg", 2);
	lxe_drop_fd(&m->go);
	for (int i = 0; i < 2; i++)
		if (m->pid[i] > 0 && (sys_wait(m->pid[i], &status) < 0 || status != 0))
			failed = -EPERM;
	n = sys_read(m->output, said, sizeof(said));
	lxe_drop_fd(&m->output);
	if (!go || failed == 0)
		return 0;
	lxe_excerpt(line, sizeof(line), said, n > 0 ? strcspn(said, "\n") : 0);
	lxe_hint(err, "lxc-exec doctor");
	return lxe_fail_msg(err, failed, "map the user's ids: %s",
		n > 0 ? line : "newuidmap or newgidmap failed");
}

static bool is_off(const char *sysctl)
{
	char text[16];

	return sys_read_file(AT_FDCWD, sysctl, text, sizeof(text)) > 0 && text[0] == '0';
}

static int fail_unshare(int r, struct lxe_err *err)
{
	if (is_off("/proc/sys/kernel/unprivileged_userns_clone"))
		lxe_hint(err, "as root: sysctl -w kernel.unprivileged_userns_clone=1");
	else if (is_off("/proc/sys/user/max_user_namespaces"))
		lxe_hint(err, "as root: sysctl -w user.max_user_namespaces=65536");
	else if (r == -EPERM)
		lxe_hint(err, "this host lets root alone make user namespaces, or this is a "
			      "container that may not");
	return lxe_fail(err, r, "make a user namespace");
}

int lxe_rootless_enter(struct lxe_err *err)
{
	struct mappers m = { .go = -EBADF, .output = -EBADF };
	struct lxe_rootless_ids ids = { 0 };
	int r, mapped;

	r = lxe_rootless_ids(&ids, err);
	if (r < 0)
		return r;
	r = start_mappers(&m, &ids, err);
	if (r == 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		r = fail_unshare(-errno, err);
	mapped = finish_mappers(&m, r == 0, err);
	return r < 0 ? r : mapped;
}

int lxe_rootless_become_root(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Without them a program that is not root's has none (capabilities(7)). */
static int keep_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		data[i].inheritable = data[i].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}

static int forget_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capget, &header, data) < 0)
		return -errno;
	data[0].inheritable = data[1].inheritable = 0;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

bool lxe_rootless_is_inside(void)
{
	return lxe_is_rootless() && getenv(INSIDE);
}

int lxe_rootless_settle(struct lxe_err *err)
{
	int r = forget_capabilities();

	/* liblxc's monitor, which is root, answers to nobody else's real uid. */
	if (r == 0 && setresuid(0, (uid_t)-1, (uid_t)-1) < 0)
		r = -errno;
	return r < 0 ? lxe_fail(err, r, "begin in the user namespace") : 0;
}

int lxe_rootless_again(char *const argv[], struct lxe_err *err)
{
	int r = keep_capabilities();

	if (r == 0 && setenv(INSIDE, "1", 1) < 0)
		r = -ENOMEM;
	if (r == 0) {
		execv("/proc/self/exe", argv);
		r = -errno;
	}
	return lxe_fail(err, r, "begin anew in the user namespace");
}

static int remove_inside(int at, const char *name)
{
	int status, r;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		r = lxe_rootless_enter(NULL);
		if (r == 0)
			r = sys_tree_remove(at, name);
		_exit(r < 0 ? -r : 0);
	}
	r = sys_wait(pid, &status);
	if (r < 0)
		return r;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static void tell_size(int at, const char *name, int to)
{
	uint64_t size = 0;
	int r = lxe_rootless_enter(NULL);

	if (r == 0)
		r = sys_tree_size(at, name, &size);
	if (r == 0)
		r = sys_write_all(to, &size, sizeof(size));
	_exit(r < 0 ? -r : 0);
}

static int size_inside(int at, const char *name, uint64_t *ret)
{
	int ends[2], status = 0, r = sys_pipe(ends);
	uint64_t size = 0;
	ssize_t n;
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		tell_size(at, name, ends[1]);
	r = pid < 0 ? -errno : 0;
	lxe_close(ends[1]);
	n = sys_read(ends[0], &size, sizeof(size));
	lxe_close(ends[0]);
	if (r == 0)
		r = sys_wait(pid, &status);
	if (r == 0 && n == sizeof(size))
		*ret = size;
	else if (r == 0)
		r = WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : -EINTR;
	return r;
}

int lxe_tree_size(int at, const char *name, uint64_t *ret)
{
	int r = sys_tree_size(at, name, ret);

	return (r == -EACCES || r == -EPERM) && lxe_is_rootless() ? size_inside(at, name, ret) : r;
}

int lxe_tree_remove(int at, const char *name)
{
	int r = sys_tree_remove(at, name);

	return (r == -EACCES || r == -EPERM) && lxe_is_rootless() ? remove_inside(at, name) : r;
}
