#include "keeper/denial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "confine/compile.h"
#include "confine/watch.h"
#include "keeper/keeper.h"
#include "keeper/reason.h"
#include "sys/mount.h"

/* A call's path as its thread means it. */
struct target {
	pid_t thread;
	int root; /* O_PATH of the thread's root */
	const struct lxe_watched *call;
	uint64_t flags;
	char path[PATH_MAX]; /* from the root */
	bool is_there;
};

/* Up to the end of a page whatever lies behind it can be read or not. */
static ssize_t read_memory(pid_t pid, uint64_t at, void *buf, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), first = page - at % page;
	const struct iovec to = { buf, size };
	const struct iovec from[2] = {
		{ (void *)(uintptr_t)at, first < size ? first : size },
		{ (void *)(uintptr_t)(at + first), first < size ? size - first : 0 },
	};

	return process_vm_readv(pid, &to, 1, from, first < size ? 2 : 1, 0);
}

static bool read_path(pid_t pid, uint64_t at, char buf[PATH_MAX])
{
	ssize_t n = at ? read_memory(pid, at, buf, PATH_MAX) : 0;

	return n > 0 && buf[0] && memchr(buf, '\0', (size_t)n);
}

/* A relative path is put behind the directory that it is relative to. */
static bool make_absolute(struct target *t, int dirfd, const char *text)
{
	char link[48], dir[PATH_MAX];
	ssize_t n;

	if (text[0] == '/')
		return lxe_format(t->path, sizeof(t->path), "%s", text) == 0;
	if (dirfd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/%d/cwd", t->thread);
	else
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", t->thread, dirfd);
	n = readlink(link, dir, sizeof(dir));
	if (n <= 0 || n >= (ssize_t)sizeof(dir) || dir[0] != '/')
		return false;
	return lxe_format(t->path, sizeof(t->path), "%.*s/%s", (int)n, dir, text) == 0;
}

static bool find_flags(struct target *t, const struct seccomp_data *data)
{
	t->flags = t->call->flags < 0 ? 0 : data->args[t->call->flags];
	if (t->call->kind == LXE_WATCHED_OPEN && t->call->flags < 0)
		t->flags = O_WRONLY | O_CREAT | O_TRUNC;
	if (t->call->kind != LXE_WATCHED_OPEN2)
		return true;
	return read_memory(t->thread, t->flags, &t->flags, sizeof(t->flags)) ==
	       (ssize_t)sizeof(t->flags);
}

static bool find_target(
	struct target *t, const struct lxe_watched *call, const struct seccomp_data *data)
{
	int dirfd = call->dirfd < 0 ? AT_FDCWD : (int)data->args[call->dirfd];
	char text[PATH_MAX];

	t->call = call;
	return read_path(t->thread, data->args[call->path], text) && find_flags(t, data) &&
	       make_absolute(t, dirfd, text);
}

static bool opens(const struct target *t)
{
	return t->call->kind == LXE_WATCHED_OPEN || t->call->kind == LXE_WATCHED_OPEN2;
}

static bool follows(const struct target *t)
{
	switch (t->call->kind) {
	case LXE_WATCHED_OPEN:
	case LXE_WATCHED_OPEN2:
		return !(t->flags & O_NOFOLLOW) &&
		       (t->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	case LXE_WATCHED_CHANGE:
	case LXE_WATCHED_LOOK:
		return !(t->flags & AT_SYMLINK_NOFOLLOW);
	case LXE_WATCHED_NOT:
	case LXE_WATCHED_MAKE:
	case LXE_WATCHED_REPLACE:
	case LXE_WATCHED_REMOVE:
	case LXE_WATCHED_CHANGE_LINK:
		break;
	}
	return false;
}

static bool is_read_only(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (fs.f_flags & ST_RDONLY);
}

/* Of what is there already: is it changed by the call? Devices can be written wherever they lie. */
static bool changes(const struct target *t, const struct stat *st)
{
	switch (t->call->kind) {
	case LXE_WATCHED_OPEN:
	case LXE_WATCHED_OPEN2:
		if ((t->flags & O_TMPFILE) == O_TMPFILE)
			return S_ISDIR(st->st_mode);
		return S_ISREG(st->st_mode) && (t->flags & (O_ACCMODE | O_TRUNC)) &&
		       (t->flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	case LXE_WATCHED_REPLACE:
	case LXE_WATCHED_REMOVE:
	case LXE_WATCHED_CHANGE:
	case LXE_WATCHED_CHANGE_LINK:
		return true;
	case LXE_WATCHED_NOT:
	case LXE_WATCHED_MAKE:
	case LXE_WATCHED_LOOK:
		break;
	}
	return false;
}

static bool makes(const struct target *t)
{
	return t->call->kind == LXE_WATCHED_MAKE || t->call->kind == LXE_WATCHED_REPLACE ||
	       (opens(t) && (t->flags & O_CREAT));
}

/* The directory that the last name of a path is in, as text; false: it has none. */
static bool cut_last(char *path)
{
	size_t len = strlen(path);
	char *slash;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	slash = strrchr(path, '/');
	if (!slash || len <= 1)
		return false;
	slash[slash == path] = '\0';
	return true;
}

/*
 * What decides about the call: the file, or the nearest directory above that is there. Whether it stands in
 * the way: 1, or 0, or a negative errno when that cannot be seen.
 */
static int decides(struct target *t, const struct lxe_keeper *k, int *ret)
{
	LXE_AUTOCLOSE int fd = sys_find_in_root(t->root, t->path, follows(t));
	char above[PATH_MAX];
	struct stat st;
	bool denied;
	int levels;

	memcpy(above, t->path, sizeof(above));
	for (levels = 0; (fd == -ENOENT || fd == -ENOTDIR) && cut_last(above); levels++)
		fd = sys_find_in_root(t->root, above, true);
	t->is_there = fd >= 0 && levels == 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	denied = lxe_reason_is_cover(k, &st);
	if (!denied && levels == 0)
		denied = changes(t, &st) && is_read_only(fd);
	else if (!denied)
		denied = levels == 1 && S_ISDIR(st.st_mode) && makes(t) && is_read_only(fd);
	*ret = take_fd(&fd);
	return denied;
}

static void note(
	struct lxe_process *p, const char *call, const char *path, const struct lxe_reason *why)
{
	struct lxe_outcome *o = &p->outcome;
	char line[640], shown[200];
	size_t used = strlen(o->denials);

	snprintf(shown, sizeof(shown), "%s", path);
	/* What ends a field there; all else is escaped where it is printed. */
	for (char *at = shown; (at = strpbrk(at, "\t\n"));)
		*at = '?';
	memcpy(p->denied.rule, why->rule, sizeof(p->denied.rule));
	memcpy(p->denied.hint, why->hint, sizeof(p->denied.hint));
	o->denied++;
	snprintf(line, sizeof(line), "%s\t%s\t%s\t%s\n", call, shown, why->rule, why->option);
	if (!strstr(o->denials, line) && used + strlen(line) < sizeof(o->denials))
		memcpy(o->denials + used, line, strlen(line) + 1);
}

/* A thread that has changed its root has other paths, which we do not tell of. */
static bool has_whole_root(pid_t thread)
{
	char link[32], root[8];

	snprintf(link, sizeof(link), "/proc/%d/root", thread);
	return readlink(link, root, sizeof(root)) == 1 && root[0] == '/';
}

/* Killed meanwhile, its number may be another's. */
static bool still_waits(int listener, uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static bool is_denied(const struct lxe_process *p, struct target *t, struct lxe_reason *why,
	const struct seccomp_data *data, const struct lxe_watched *call)
{
	LXE_AUTOCLOSE int at = -EBADF;

	return find_target(t, call, data) && decides(t, p->keeper, &at) > 0 &&
	       has_whole_root(t->thread) && lxe_reason_of(why, p->keeper, t->root, at);
}

void lxe_denial_of_path(struct lxe_process *p, int listener, const struct seccomp_notif *notif)
{
	LXE_AUTOCLOSE int root = -EBADF;
	struct target t = { .thread = (pid_t)notif->pid };
	struct lxe_reason why = { .rule = "" };
	char link[32];

	snprintf(link, sizeof(link), "/proc/%d/root", t.thread);
	t.root = root = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return;
	for (const struct lxe_watched *call = lxe_watched_calls(); call->name; call++) {
		if (call->number != notif->data.nr || call->kind == LXE_WATCHED_NOT)
			continue;
		/* What is not there is not moved anywhere either. */
		if (call->kind == LXE_WATCHED_REPLACE && !t.is_there)
			continue;
		if (is_denied(p, &t, &why, &notif->data, call) && still_waits(listener, notif->id))
			note(p, call->name, t.path, &why);
	}
}

void lxe_denial_of_call(struct lxe_process *p, const struct seccomp_data *data)
{
	LXE_AUTOFREE char *name = lxe_compile_name(data->arch, data->nr);
	struct lxe_reason why = { .rule = "" };

	lxe_reason_of_profile(&why, p->keeper, name ? name : "a system call");
	note(p, name ? name : "?", "", &why);
}

/* By its own doing; other signals come from others. */
static bool died_of_itself(int status)
{
	static const int own[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (WTERMSIG(status) == own[i])
			return true;
	return false;
}

void lxe_denial_judge(struct lxe_process *p)
{
	struct lxe_outcome *o = &p->outcome;

	if (!o->denied || o->rule[0] || !p->reaped)
		return;
	if (WIFSIGNALED(p->status) ? !died_of_itself(p->status) : !WEXITSTATUS(p->status))
		return;
	snprintf(o->message, sizeof(o->message),
		"the command failed after it had been denied something by its sandbox");
	memcpy(o->rule, p->denied.rule, sizeof(o->rule));
	memcpy(o->hint, p->denied.hint, sizeof(o->hint));
}
