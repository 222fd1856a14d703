#include "sys/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"

#define HOLDER_STACK 8192

/* Runs in our memory: it may not touch any. All signals but SIGKILL are blocked. */
static int hold(void *arg)
{
	pid_t parent = *(const pid_t *)arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Whoever started us may have died before the line above. */
	while (getppid() == parent)
		pause();
	return 0;
}

/* Sharing memory and descriptors instead of copying them halves the cost of the clone. */
static pid_t start_holder(char *stack, size_t size, pid_t *self)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(hold, stack + size, CLONE_NEWUSER | CLONE_VM | CLONE_FILES, self);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* The exit signal is 0, so that only __WALL sees the child, and no SIGCHLD is raised. */
static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

static int write_maps(int proc, uint32_t from, uint32_t start, uint32_t count)
{
	char map[48];
	int r;

	snprintf(map, sizeof(map), "%u %u %u\n", from, start, count);
	r = sys_write_file(proc, "uid_map", map);
	if (r < 0)
		return r;
	return sys_write_file(proc, "gid_map", map);
}

static int open_namespace(pid_t pid, uint32_t from, uint32_t start, uint32_t count)
{
	LXE_AUTOCLOSE int proc = -EBADF;
	char path[32];
	int fd, r;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -errno;
	r = write_maps(proc, from, start, count);
	if (r < 0)
		return r;
	fd = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sys_userns_mapped(uint32_t start, uint32_t count)
{
	return sys_userns_shifting(0, start, count);
}

int sys_userns_shifting(uint32_t from, uint32_t start, uint32_t count)
{
	char stack[HOLDER_STACK] __attribute__((aligned(16)));
	pid_t self = getpid(), pid;
	int fd;

	pid = start_holder(stack, sizeof(stack), &self);
	if (pid < 0)
		return pid;
	fd = open_namespace(pid, from, start, count);
	end_holder(pid);
	return fd;
}
