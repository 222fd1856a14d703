#include "keeper/members.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "store/outcome.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LOOK_MS 10
#define LOOKS 16
#define ITSELF_MS 2000
#define FORKS_MAX 64

int lxe_members_name(pid_t first, char *buf, size_t size)
{
	uint64_t began;

	if (first <= 1 || sys_began(first, &began) < 0)
		return -ESRCH;
	return lxe_format(buf, size, "/%d/%" PRIu64, first, began);
}

static bool parse(const char *name, int *pid, uint64_t *began)
{
	const char *second = strchr(name + 1, '/');
	char number[16];

	return second &&
	       lxe_format(number, sizeof(number), "%.*s", (int)(second - name - 1), name + 1) >=
		       0 &&
	       lxe_parse_int(number, 2, INT_MAX, pid) == 0 &&
	       lxe_parse_u64(second + 1, 0, UINT64_MAX, began) == 0;
}

/* Has it given back its memory? From then on it is dead, or waits in the kernel until the others are reaped. */
static bool has_ended(int pid)
{
	char path[32], target[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, target, sizeof(target)) < 0 && (errno == ENOENT || errno == ESRCH);
}

/* 0 when it has none, or none that we may look at. */
static ino_t pidns_of(int pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static int anybody_runs(ino_t ns)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;
	bool found = false;
	int pid;

	if (!dir)
		return -errno;
	while (!found && (e = readdir(dir)))
		found = lxe_parse_int(e->d_name, 1, INT_MAX, &pid) == 0 && pidns_of(pid) == ns &&
			!has_ended(pid);
	closedir(dir);
	return found;
}

/* Nobody is born into a namespace whose first process is dead; twice, for who was born during the first look. */
static bool all_ended(int pid, ino_t ns)
{
	return has_ended(pid) && anybody_runs(ns) == 0 && anybody_runs(ns) == 0;
}

int lxe_members_end(const char *name, int timeout_ms)
{
	uint64_t noted, began, end = sys_now_ms() + (uint64_t)timeout_ms;
	LXE_AUTOCLOSE int fd = -EBADF;
	int pid, r = -ETIMEDOUT;
	ino_t ns;

	if (!parse(name, &pid, &noted))
		return -EBADMSG;
	fd = sys_pidfd_open(pid);
	/* Its number may be a stranger's by now. */
	if (fd < 0 || sys_began(pid, &began) < 0 || began != noted)
		return 0;
	ns = pidns_of(pid);
	sys_pidfd_kill(fd, SIGKILL);
	while (r == -ETIMEDOUT && sys_now_ms() < end && !(ns && all_ended(pid, ns)))
		r = sys_pidfd_wait(fd, LOOK_MS);
	return r == 0 || (ns && all_ended(pid, ns)) ? 0 : r;
}

/* As a fork of a keeper shows itself in /proc/PID/cmdline, until it executes something (keeper.h, title). */
static bool is_fork_of(int pid, const char *id)
{
	static const char name[] = LXE_KEEPER_NAME;
	char path[32], line[sizeof(name) + LXE_ID_LEN + 2];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	return sys_read_file(AT_FDCWD, path, line, sizeof(line)) ==
		       (ssize_t)(sizeof(name) + LXE_ID_LEN + 1) &&
	       memcmp(line, name, sizeof(name)) == 0 && strcmp(line + sizeof(name), id) == 0;
}

/* Of one look; who is left is found by the next one. */
struct forks {
	const char *id;
	int fds[FORKS_MAX];
	size_t n;
};

/* 1: it is one, and has a pidfd among them now; 0: it is none. */
static int find_fork(void *arg, pid_t pid)
{
	struct forks *forks = arg;
	LXE_AUTOCLOSE int fd = -EBADF;

	if (forks->n == FORKS_MAX || pid == getpid() || !is_fork_of(pid, forks->id))
		return 0;
	fd = sys_pidfd_open(pid);
	/* The number may have passed to a stranger before, but not once the descriptor is open. */
	if (fd < 0 || !is_fork_of(pid, forks->id))
		return 0;
	forks->fds[forks->n++] = take_fd(&fd);
	return 1;
}

static int await_all(const struct forks *forks, int timeout_ms)
{
	uint64_t now, end = sys_now_ms() + (uint64_t)timeout_ms;
	int r = 0;

	for (size_t i = 0; i < forks->n && r == 0; i++) {
		now = sys_now_ms();
		r = sys_pidfd_wait(forks->fds[i], now < end ? (int)(end - now) : 0);
	}
	return r;
}

/* 0 also for who is dead already. */
static int kill_all(const struct forks *forks)
{
	int r = 0;

	for (size_t i = 0; i < forks->n; i++) {
		int failed = sys_pidfd_kill(forks->fds[i], SIGKILL);

		if (failed < 0 && failed != -ESRCH)
			r = failed;
	}
	return r;
}

static int end_all(const struct forks *forks, int timeout_ms)
{
	/* The keeper's end is theirs as well, and one has something to end before: see keep_pasta(). */
	int r = await_all(forks, timeout_ms < ITSELF_MS ? timeout_ms : ITSELF_MS);

	if (r != -ETIMEDOUT)
		return r;
	r = kill_all(forks);
	return r < 0 ? r : await_all(forks, timeout_ms);
}

/* How many were found, which have all ended. */
static int look_for_forks(const char *id, int timeout_ms)
{
	struct forks forks = { .id = id };
	int found = sys_each_process(find_fork, &forks), r = end_all(&forks, timeout_ms);

	for (size_t i = 0; i < forks.n; i++)
		lxe_close(forks.fds[i]);
	return r < 0 ? r : found;
}

int lxe_members_end_forks(const char *id, int timeout_ms)
{
	int r = 1;

	/* They fork, too, but not without end. */
	for (int i = 0; i < LOOKS && r > 0; i++)
		r = look_for_forks(id, timeout_ms);
	return r > 0 ? -ETIMEDOUT : r;
}
