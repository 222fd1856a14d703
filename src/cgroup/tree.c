#include "cgroup/hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/dir.h"
#include "sys/fd.h"
#include "sys/mount.h"

/* Far more than any host's pid_max lets a list grow to. */
#define LIST_MAX (64U << 20)

bool lxe_cgroup_name_ok(const char *name)
{
	return lxe_starts_with(name, LXE_CGROUP_PREFIX) && name[strlen(LXE_CGROUP_PREFIX)] &&
	       !strchr(name, '/');
}

int lxe_cgroup_open_below(int dirfd, const char *path, int flags)
{
	return sys_openat2(dirfd, path[0] ? path : ".", flags,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int lxe_cgroup_each_child(int dir, lxe_cgroup_visit visit, void *arg)
{
	int r = 0;
	SYS_AUTODIR DIR *stream = sys_dir_read(sys_open_dir(dir, "."), &r);
	const struct dirent *entry;

	while ((entry = sys_dir_next(stream, &r)))
		/* cgroup file systems always fill in d_type. */
		if (entry->d_type == DT_DIR)
			r = visit(dir, entry->d_name, arg);
	return r < 0 ? r : 0;
}

void lxe_pids_release(struct lxe_pids *pids)
{
	free(pids->v);
	*pids = (struct lxe_pids){ 0 };
}

static int add_pid(struct lxe_pids *pids, pid_t pid)
{
	if (pids->n == pids->room) {
		size_t room = pids->room ? pids->room * 2 : 64;
		pid_t *grown = realloc(pids->v, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		pids->v = grown;
		pids->room = room;
	}
	pids->v[pids->n++] = pid;
	return 0;
}

/* A process of another pid namespace is listed as 0, and kept so: the group is not empty. */
static int add_lines(struct lxe_pids *pids, char *text)
{
	char *line;
	int pid, r = 0;

	while (r == 0 && (line = strsep(&text, "\n")) && line[0]) {
		r = lxe_parse_int(line, 0, INT_MAX, &pid);
		if (r == 0)
			r = add_pid(pids, pid);
	}
	return r;
}

static bool is_gone(int r)
{
	/* ENODEV: removed after the open. */
	return r == -ENOENT || r == -ENODEV;
}

static int list_group(int dir, struct lxe_pids *pids)
{
	/* Opened anew each time: v1 keeps an open file's list for up to a second. */
	LXE_AUTOCLOSE int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	LXE_AUTOFREE char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = sys_read_whole(fd, LIST_MAX, &text, &len);
	return r < 0 ? r : add_lines(pids, text);
}

struct list_walk {
	struct lxe_pids *pids;
	unsigned int depth;
};

static int list_tree(int dir, const char *name, void *arg)
{
	struct list_walk *walk = arg;
	LXE_AUTOCLOSE int fd = -EBADF;
	int r;

	if (walk->depth == LXE_CGROUP_DEPTH_MAX)
		return -ELOOP;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return is_gone(-errno) ? 0 : -errno;
	r = list_group(fd, walk->pids);
	if (r < 0)
		return is_gone(r) ? 0 : r;
	walk->depth++;
	r = lxe_cgroup_each_child(fd, list_tree, walk);
	walk->depth--;
	return is_gone(r) ? 0 : r;
}

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

bool lxe_pids_has(const struct lxe_pids *pids, pid_t pid)
{
	return pids->n && bsearch(&pid, pids->v, pids->n, sizeof(*pids->v), by_number);
}

int lxe_cgroup_list(int dir, struct lxe_pids *ret)
{
	struct list_walk walk = { .pids = ret };
	int r;

	ret->n = 0;
	r = list_tree(dir, ".", &walk);
	if (r == 0 && ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_number);
	return r;
}
