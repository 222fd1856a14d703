#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/copy.h"
#include "changes/patch.h"
#include "changes/render.h"
#include "sys/fd.h"

#define DIFF "/usr/bin/diff"
struct patch {
	const struct lxe_changes *c;
	FILE *out;
	struct lxe_err *err;
};

/* What a file or a symlink holds, as a descriptor. */
static int open_content(int root, const char *path, mode_t mode)
{
	const char *base;
	LXE_AUTOCLOSE int at = lxe_layer_parent(root, path, &base);
	LXE_AUTOCLOSE int fd = -EBADF;
	char target[PATH_MAX];
	ssize_t n;
	int r;

	if (at < 0)
		return at;
	if (!S_ISLNK(mode))
		return lxe_layer_open_file(at, base);
	n = readlinkat(at, base, target, sizeof(target));
	if (n < 0)
		return -errno;
	fd = sys_memfd("symlink", 0);
	r = fd < 0 ? fd : sys_write_all(fd, target, (size_t)n);
	return r < 0 ? r : take_fd(&fd);
}

static int put_one_side(const struct patch *p, const char *path, bool added, mode_t mode)
{
	int root = added ? p->c->layer.upper : p->c->layer.lower;
	LXE_AUTOCLOSE int fd = -EBADF;

	if (!S_ISREG(mode) && !S_ISLNK(mode))
		return 0;
	fd = open_content(root, path, mode);
	if (fd < 0 && fd != -EACCES)
		return fd;
	lxe_patch_begin(p->out, path);
	fprintf(p->out, "%s file mode %06o\n", added ? "new" : "deleted",
		S_ISLNK(mode) ? S_IFLNK : mode & (S_IFMT | 07777));
	if (fd < 0) {
		lxe_patch_binary(p->out, path, !added, added);
		return 0;
	}
	return lxe_patch_whole(p->out, path, added, fd);
}

/* ---- what is different in a file: diff(1) ---- */

/* Its two lines of names are ours already. */
static int copy_hunks(int from, FILE *out)
{
	FILE *in = fdopen(from, "r");
	char *line = NULL;
	size_t size = 0, n = 0;
	ssize_t len;

	if (!in) {
		int r = -errno;

		lxe_close(from);
		return r;
	}
	while ((len = getline(&line, &size, in)) > 0)
		if (n++ >= 2 && !ferror(out))
			fwrite(line, 1, (size_t)len, out);
	free(line);
	fclose(in);
	return 0;
}

static int spawn_diff(int before, int after, int out, pid_t *ret)
{
	static const char *const argv[] = { "diff", "-a", "-u", "--label", "a", "--label", "b",
		"/proc/self/fd/3", "/proc/self/fd/4", NULL };
	static const char *const envp[] = { "LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	/* Out of the way of 3 and 4, which they become. */
	LXE_AUTOCLOSE int a = fcntl(before, F_DUPFD_CLOEXEC, 10);
	LXE_AUTOCLOSE int b = fcntl(after, F_DUPFD_CLOEXEC, 10);
	LXE_AUTOCLOSE int o = fcntl(out, F_DUPFD_CLOEXEC, 10);
	int r;

	if (a < 0 || b < 0 || o < 0)
		return -errno;
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, o, 1);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, a, 3);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, b, 4);
	if (r == 0)
		r = posix_spawn(
			ret, DIFF, &actions, NULL, (char *const *)argv, (char *const *)envp);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int run_diff(const struct patch *p, int before, int after)
{
	int ends[2] = { -EBADF, -EBADF }, r, status = 0;
	pid_t pid = -1;

	r = sys_pipe(ends);
	if (r < 0)
		return r;
	r = spawn_diff(before, after, ends[1], &pid);
	lxe_close(ends[1]);
	if (r < 0) {
		lxe_close(ends[0]);
		lxe_fail(p->err, r, "run %s", DIFF);
		lxe_hint(p->err, "apt install diffutils");
		return r;
	}
	r = copy_hunks(ends[0], p->out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) > 1))
		r = lxe_fail_msg(p->err, -EIO, "%s failed", DIFF);
	return r;
}

/* diff opens it anew, by its mode and without what a user namespace lets us do: what that refuses is copied. */
static int for_diff(int *fd)
{
	LXE_AUTOCLOSE int copy = -EBADF;
	struct stat st;
	int r;

	if (fstat(*fd, &st) < 0)
		return -errno;
	if (geteuid() == 0 || st.st_mode & S_IROTH ||
		(st.st_uid == geteuid() && st.st_mode & S_IRUSR))
		return 0;
	copy = sys_memfd("content", 0);
	r = copy < 0 ? copy : lxe_copy_data(*fd, copy, st.st_size);
	/* What runs in the sandbox may cut it off meanwhile. */
	if (r < 0 && r != -EBUSY)
		return r;
	lxe_close(*fd);
	*fd = take_fd(&copy);
	return 0;
}

static int put_both_sides(const struct patch *p, const struct lxe_change *change)
{
	const struct lxe_change_side *a = &change->before, *b = &change->after;
	LXE_AUTOCLOSE int before = open_content(p->c->layer.lower, change->path, a->mode);
	LXE_AUTOCLOSE int after = open_content(p->c->layer.upper, change->path, b->mode);
	bool closed = before == -EACCES || after == -EACCES;
	int binary, r;

	if (!closed && (before < 0 || after < 0))
		return before < 0 ? before : after;
	lxe_patch_begin(p->out, change->path);
	if (change->what & LXE_CHANGED_MODE)
		fprintf(p->out, "old mode %06o\nnew mode %06o\n", a->mode, b->mode);
	if (change->kind != LXE_CHANGE_CONTENT)
		return 0;
	binary = closed ? 1 : lxe_patch_is_binary(before);
	if (binary == 0)
		binary = lxe_patch_is_binary(after);
	if (binary > 0)
		lxe_patch_binary(p->out, change->path, true, true);
	if (binary != 0)
		return binary < 0 ? binary : 0;
	r = for_diff(&before);
	if (r == 0)
		r = for_diff(&after);
	if (r < 0)
		return r;
	lxe_patch_sides(p->out, change->path, true, true);
	return run_diff(p, before, after);
}

/* ---- all of it ---- */

static int put_deleted(const struct patch *p, const char *path, mode_t mode, unsigned int depth);

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int root, const char *path, struct lxe_strv *ret)
{
	int r = 0;
	SYS_AUTODIR DIR *dir = lxe_layer_read_dir(root, path, &r);
	const struct dirent *e;

	while ((e = sys_dir_next(dir, &r)))
		r = lxe_strv_add(ret, e->d_name);
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(char *), by_text);
	return r;
}

static int put_deleted_tree(const struct patch *p, const char *path, unsigned int depth)
{
	struct lxe_strv names = { 0 };
	char child[LXE_CHANGES_PATH_MAX + 256];
	struct stat st;
	int r = depth > LXE_CHANGES_DEPTH_MAX ? -ELOOP
					      : list_names(p->c->layer.lower, path, &names);

	for (size_t i = 0; r == 0 && i < names.n && !ferror(p->out); i++) {
		r = lxe_format(child, sizeof(child), "%s/%s", path, names.v[i]);
		if (r == 0)
			r = lxe_layer_stat(p->c->layer.lower, child, &st);
		if (r == 0)
			r = put_deleted(p, child, st.st_mode, depth + 1);
	}
	lxe_strv_release(&names);
	return r;
}

static int put_deleted(const struct patch *p, const char *path, mode_t mode, unsigned int depth)
{
	if (S_ISDIR(mode))
		return put_deleted_tree(p, path, depth);
	return put_one_side(p, path, false, mode);
}

static int put_change(const struct patch *p, const struct lxe_change *change)
{
	mode_t before = change->before.mode, after = change->after.mode;
	bool file = S_ISREG(after) || S_ISLNK(after);
	int r = 0;

	switch (change->kind) {
	case LXE_CHANGE_NONE:
		break;
	case LXE_CHANGE_META:
		return file && change->what & LXE_CHANGED_MODE ? put_both_sides(p, change) : 0;
	case LXE_CHANGE_CONTENT:
		if (S_ISREG(after))
			return put_both_sides(p, change);
		/* A symlink goes and another comes. */
		__attribute__((fallthrough));
	case LXE_CHANGE_ADDED:
	case LXE_CHANGE_DELETED:
	case LXE_CHANGE_TYPE:
		r = before ? put_deleted(p, change->path, before, 0) : 0;
		if (r == 0 && after)
			r = put_one_side(p, change->path, true, after);
		break;
	}
	return r;
}

int lxe_changes_patch(const struct lxe_changes *c, FILE *out, struct lxe_err *err)
{
	const struct patch p = { c, out, err };

	for (size_t i = 0; i < c->n && !ferror(out); i++) {
		char shown[400];
		int r = c->v[i].selected ? put_change(&p, &c->v[i]) : 0;

		/* What runs in the sandbox may have taken it away since it was listed. */
		if (r == 0 || r == -ENOENT || r == -ESTALE)
			continue;
		lxe_excerpt(shown, sizeof(shown), c->v[i].path, strlen(c->v[i].path));
		return lxe_fail(err, r, "show what is different in '%s'", shown);
	}
	return 0;
}
