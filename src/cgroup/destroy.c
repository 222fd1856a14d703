#include "cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/hierarchy.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define WATCHED_MAX 256

/* While processes end, look again so often, whatever the descriptors say: see watch(). */
#define RECHECK_MS 50

/* How long an empty v1 group may stay busy. */
#define SETTLE_NS 20000000L
#define SETTLE_FIRST_NS 50000L

struct removal {
	int parent;
	char name[NAME_MAX + 1];
	int dir;    /* the group, -EBADF until something in it has to be ended */
	int events; /* its cgroup.events, or -EBADF */
	uint64_t deadline_ms;
	long settled_ns;
	const struct lxe_cgroup_reaper *reaper;
	struct lxe_pids found; /* what was in it before anything was killed */
};

static int remaining_ms(const struct removal *rm)
{
	uint64_t now = sys_now_ms();

	return now < rm->deadline_ms ? (int)(rm->deadline_ms - now) : 0;
}

static int remove_tree(int parent, const char *name, void *arg)
{
	unsigned int depth = *(const unsigned int *)arg + 1;
	LXE_AUTOCLOSE int dir = -EBADF;
	int r;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	/* A read-only mount says so before it looks for the name. */
	if (errno == EROFS)
		return faccessat(parent, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EROFS : 0;
	if (errno != EBUSY)
		return -errno;
	if (depth > LXE_CGROUP_DEPTH_MAX)
		return -ELOOP;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	r = lxe_cgroup_each_child(dir, remove_tree, &depth);
	if (r < 0)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int try_remove(const struct removal *rm)
{
	unsigned int depth = 0;

	return remove_tree(rm->parent, rm->name, &depth);
}

/* Reap one process if it is a child of ours; false when it is one that has not ended yet. */
static bool reap(const struct removal *rm, pid_t pid)
{
	struct rusage usage;
	int status;
	pid_t r = sys_reap(pid, &status, &usage);

	if (r > 0)
		rm->reaper->reaped(rm->reaper->arg, pid, status, &usage);
	return r != 0;
}

/*
 * The children of ours that were in the group. They have left it by now and show as ended within
 * microseconds, but for pid 1 of a pid namespace in which others wait to be reaped: not for long.
 */
static void reap_found(const struct removal *rm)
{
	for (size_t i = 0; rm->reaper && i < rm->found.n; i++) {
		pid_t pid = rm->found.v[i];
		LXE_AUTOCLOSE int fd = -EBADF;

		if (pid == 0 || reap(rm, pid))
			continue;
		fd = sys_pidfd_open(pid);
		if (fd >= 0 && sys_pidfd_wait(fd, RECHECK_MS) == 0)
			reap(rm, pid);
	}
}

struct watched {
	struct pollfd fds[WATCHED_MAX + 1];
	pid_t pid[WATCHED_MAX];
	size_t n;
};

static void watch_processes(struct watched *w, const struct lxe_pids *pids)
{
	for (size_t i = 0; i < pids->n && w->n < WATCHED_MAX; i++) {
		int fd = pids->v[i] ? sys_pidfd_open(pids->v[i]) : -ESRCH;

		if (fd < 0)
			continue;
		w->fds[w->n] = (struct pollfd){ .fd = fd, .events = POLLIN };
		w->pid[w->n++] = pids->v[i];
	}
}

/* Take out the processes that have ended; how many are left. */
static size_t drop_ended(const struct removal *rm, struct watched *w)
{
	size_t left = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->fds[i].revents) {
			if (rm->reaper)
				reap(rm, w->pid[i]);
			lxe_close(w->fds[i].fd);
			continue;
		}
		w->fds[left] = w->fds[i];
		w->pid[left++] = w->pid[i];
	}
	w->n = left;
	return left;
}

/* Read cgroup.events, so that poll(2) reports what changes from now on: is there anything inside? */
static bool may_be_populated(const struct removal *rm)
{
	char text[256];
	ssize_t n;

	if (rm->events < 0)
		return true;
	n = pread(rm->events, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return true;
	text[n] = '\0';
	return strstr(text, "populated 0") == NULL;
}

/*
 * Until all watched processes have ended, or the group may be empty all the same: pid 1 of a pid
 * namespace leaves the group long before its pidfd reports its end, which waits for everything in
 * the namespace to be reaped, perhaps by our caller. v2 tells so through cgroup.events (at most every
 * 10 ms); v1 has no event for it, hence the recheck.
 */
static int watch(const struct removal *rm, struct watched *w)
{
	while (w->n) {
		int left = remaining_ms(rm), n;
		struct pollfd *events = &w->fds[w->n];

		*events = (struct pollfd){ .fd = rm->events, .events = POLLPRI };
		n = poll(w->fds, w->n + 1, left < RECHECK_MS ? left : RECHECK_MS);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 || (n > 0 && events->revents))
			return 0;
		if (n > 0)
			drop_ended(rm, w);
	}
	return 0;
}

/*
 * A process that has ended, as its pidfd says, may keep its group busy for a few microseconds more.
 * v2 announces the end of that. v1 has nothing to wait on: doubling pauses, 20 ms in all.
 */
static int settle(struct removal *rm, bool announced)
{
	struct pollfd p = { .fd = announced ? rm->events : -EBADF, .events = POLLPRI };
	struct timespec ts = { .tv_nsec = RECHECK_MS * 1000000L };

	if (p.fd < 0) {
		if (rm->settled_ns >= SETTLE_NS)
			return -EBUSY;
		ts.tv_nsec = rm->settled_ns ? rm->settled_ns : SETTLE_FIRST_NS;
		rm->settled_ns += ts.tv_nsec;
	}
	return ppoll(&p, 1, &ts, NULL) < 0 && errno != EINTR ? -errno : 0;
}

static int wait_for_end(struct removal *rm)
{
	bool populated = may_be_populated(rm);
	struct lxe_pids pids = { 0 };
	struct watched w = { .n = 0 };
	int r;

	r = lxe_cgroup_list(rm->dir, &pids);
	if (r < 0)
		return r;
	watch_processes(&w, &pids);
	lxe_pids_release(&pids);
	r = w.n ? watch(rm, &w) : settle(rm, populated);
	for (size_t i = 0; i < w.n; i++)
		lxe_close(w.fds[i].fd);
	return r;
}

static int kill_until_removed(struct removal *rm)
{
	int r;

	do {
		r = lxe_cgroup_kill_tree(rm->dir);
		if (r == 0)
			r = wait_for_end(rm);
		if (r < 0 && r != -ENODEV)
			return r;
		r = try_remove(rm);
	} while (r == -EBUSY && remaining_ms(rm) > 0);
	return r == -EBUSY ? -ETIMEDOUT : r;
}

/* A tree that may use a hundredth of a CPU would take minutes to end. */
static void unthrottle(const struct lxe_cgroup_host *host, const char *name)
{
	for (size_t i = 0; i < host->n_known; i++) {
		const struct lxe_hierarchy *h = &host->hierarchy[i];
		LXE_AUTOCLOSE int root = h->root < 0 ? lxe_hierarchy_open(h, NULL) : -EBADF;
		LXE_AUTOCLOSE int dir = -EBADF;
		char path[PATH_MAX];

		if (!h->v2 && !(h->offers & (LXE_CONTROLLER_CPU | LXE_CONTROLLER_IO)))
			continue;
		if (lxe_format(path, sizeof(path), "%s%s%s", h->own, h->own[0] ? "/" : "", name) <
			0)
			continue;
		dir = lxe_cgroup_open_below(
			h->root < 0 ? root : h->root, path, O_PATH | O_DIRECTORY);
		if (dir >= 0)
			lxe_cgroup_unthrottle(dir);
	}
}

/* Kill what is in the group, and wait until it can be removed. */
static int end_and_remove(struct removal *rm, const struct lxe_cgroup_host *host)
{
	int r;

	rm->dir = openat(rm->parent, rm->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (rm->dir < 0)
		return errno == ENOENT ? 0 : -errno;
	unthrottle(host, rm->name);
	rm->events = openat(rm->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	r = lxe_cgroup_list(rm->dir, &rm->found);
	if (r == 0)
		r = kill_until_removed(rm);
	reap_found(rm);
	return r;
}

/* Paths come from a journal, and a journal is a file: take them for what they say, literally. */
static bool is_plain(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') || (n == 2 && memcmp(path, "..", 2) == 0))
			return false;
		path += n;
		if (*path == '/' && !*++path)
			return false;
	}
	return true;
}

/* The hierarchy that `path` lies in, and what follows its mount point. */
static const struct lxe_hierarchy *hierarchy_of(
	const struct lxe_cgroup_host *host, const char *path, const char **below)
{
	const struct lxe_hierarchy *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < host->n_known; i++) {
		const struct lxe_hierarchy *h = &host->hierarchy[i];
		size_t len = strlen(h->mount);

		if (len > best_len && strncmp(path, h->mount, len) == 0 && path[len] == '/') {
			best = h;
			best_len = len;
		}
	}
	*below = path + best_len + (best != NULL);
	return best;
}

/* Split `below` into its directory, opened, and its last component. */
static int open_parent(struct removal *rm, const struct lxe_hierarchy *h, const char *below)
{
	LXE_AUTOCLOSE int opened = h->root < 0 ? lxe_hierarchy_open(h, NULL) : -EBADF;
	const char *slash = strrchr(below, '/'), *name = slash ? slash + 1 : below;
	char parent[PATH_MAX];
	int r;

	r = lxe_format(rm->name, sizeof(rm->name), "%s", name);
	if (r == 0)
		r = lxe_format(
			parent, sizeof(parent), "%.*s", slash ? (int)(slash - below) : 0, below);
	if (r < 0)
		return r;
	rm->parent =
		lxe_cgroup_open_below(h->root < 0 ? opened : h->root, parent, O_PATH | O_DIRECTORY);
	return rm->parent < 0 ? rm->parent : 0;
}

static int resolve(struct removal *rm, const struct lxe_cgroup_host *host, const char *path,
	struct lxe_err *err)
{
	const struct lxe_hierarchy *h;
	const char *below, *slash = strrchr(path, '/');
	int r;

	if (!slash || !lxe_cgroup_name_ok(slash + 1))
		return lxe_fail_msg(err, -EINVAL,
			"refuse to remove '%s': its name does not begin with '" LXE_CGROUP_PREFIX
			"'",
			path);
	h = hierarchy_of(host, path, &below);
	if (!h)
		return lxe_fail_msg(err, -EXDEV,
			"refuse to remove '%s': it lies in no cgroup hierarchy in use here", path);
	if (!is_plain(below))
		return lxe_fail_msg(err, -EINVAL, "refuse to remove '%s': not a plain path", path);
	r = open_parent(rm, h, below);
	return r < 0 && r != -ENOENT ? lxe_fail(err, r, "open the parent of cgroup '%s'", path) : r;
}

int lxe_cgroup_destroy(const struct lxe_cgroup_host *host, const char *path, int timeout_ms,
	const struct lxe_cgroup_reaper *reaper, struct lxe_err *err)
{
	struct removal rm = {
		.parent = -EBADF,
		.dir = -EBADF,
		.events = -EBADF,
		.deadline_ms = sys_now_ms() + (uint64_t)timeout_ms,
		.reaper = reaper,
	};
	int r;

	r = resolve(&rm, host, path, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	/* Most groups are empty by now; then this is all there is to do. */
	r = try_remove(&rm);
	if (r == -EBUSY)
		r = end_and_remove(&rm, host);
	lxe_pids_release(&rm.found);
	lxe_close(rm.events);
	lxe_close(rm.dir);
	lxe_close(rm.parent);
	return r < 0 ? lxe_fail(err, r, "remove cgroup '%s'", path) : 0;
}
