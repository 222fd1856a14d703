#include "sys/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sys/dir.h"
#include "sys/fd.h"

#define PF_EXITING 0x4 /* of the flags in proc(5)'s stat; the kernel's linux/sched.h */

uint64_t sys_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t sys_now_ms(void)
{
	return sys_now_us() / 1000;
}

uint64_t sys_epoch_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

pid_t sys_fork_into(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	pid_t pid;

	if (cgroup_fd < 0) {
		pid = fork();
	} else {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup_fd;
		pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	}
	return pid < 0 ? -errno : pid;
}

pid_t sys_fork_pidns(int *pidfd)
{
	int fd = -EBADF;
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&fd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return -errno;
	if (pid > 0)
		*pidfd = fd;
	return pid;
}

int sys_pidfd_open(pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	/* Older kernels, where the process is gone and its number still a session's or a group's (seen with 6.1). */
	if (fd < 0 && errno == EINVAL && pid > 0)
		return -ESRCH;
	return fd < 0 ? -errno : fd;
}

int sys_pidfd_getfd(int pidfd, int fd)
{
	int copy = pidfd_getfd(pidfd, fd, 0);

	return copy < 0 ? -errno : copy;
}

int sys_pidfd_kill(int pidfd, int signal)
{
	return pidfd_send_signal(pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* A word of proc(5)'s stat, counted as there. The second may hold anything, but ends with the last ')'. */
static int stat_word(pid_t pid, int number, uint64_t *ret)
{
	char path[32], text[1024], *at, *word = NULL;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	n = sys_read_file(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	at = strrchr(text, ')');
	for (int i = 2; at && i <= number; i++)
		word = strsep(&at, " ");
	return word && lxe_parse_u64(word, 0, UINT64_MAX, ret) == 0 ? 0 : -EBADMSG;
}

int sys_began(pid_t pid, uint64_t *ret)
{
	return stat_word(pid, 22, ret);
}

bool sys_status_mask(const char *status, const char *name, uint64_t *ret)
{
	const char *at = strstr(status, name);
	uint64_t value = 0;
	int digits = 0;

	if (!at)
		return false;
	for (at += strlen(name); isxdigit((unsigned char)*at); at++, digits++)
		value = value << 4 | (uint64_t)(isdigit((unsigned char)*at)
							? *at - '0'
							: tolower((unsigned char)*at) - 'a' + 10);
	*ret = value;
	return digits > 0 && digits <= 16;
}

/* Of the signals that wait for the whole process: SIGKILL is among them until nothing is left of it. */
static bool is_killed(pid_t pid)
{
	char path[32], status[8192];
	uint64_t pending = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return sys_read_file(AT_FDCWD, path, status, sizeof(status)) >= 0 &&
	       sys_status_mask(status, "\nShdPnd:\t", &pending) &&
	       pending & UINT64_C(1) << (SIGKILL - 1);
}

bool sys_is_ending(pid_t pid)
{
	LXE_AUTOCLOSE int pidfd = sys_pidfd_open(pid);
	uint64_t flags = 0;

	if (pidfd < 0)
		return pidfd == -ESRCH;
	return sys_pidfd_wait(pidfd, 0) == 0 || is_killed(pid) ||
	       (stat_word(pid, 9, &flags) == 0 && flags & PF_EXITING);
}

int sys_each_process(int (*look)(void *arg, pid_t pid), void *arg)
{
	SYS_AUTODIR DIR *dir = opendir("/proc");
	const struct dirent *e;
	int found = 0, r = 0;
	pid_t pid;

	if (!dir)
		return -errno;
	while (r >= 0 && (e = readdir(dir))) {
		if (lxe_parse_int(e->d_name, 1, INT_MAX, &pid) < 0)
			continue;
		r = look(arg, pid);
		found += r > 0;
	}
	return r < 0 ? r : found;
}

int sys_pidfd_wait(int pidfd, int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t end = sys_now_ms() + (uint64_t)timeout_ms;
	int r;

	for (;;) {
		r = poll(&p, 1, timeout_ms);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
		uint64_t now = sys_now_ms();
		timeout_ms = now < end ? (int)(end - now) : 0;
	}
}

int sys_pidfd_reap(int pidfd)
{
	siginfo_t info;

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

pid_t sys_reap(pid_t pid, int *status, struct rusage *usage)
{
	pid_t r;

	do {
		r = wait4(pid, status, WNOHANG, usage);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int sys_wait(pid_t pid, int *status)
{
	pid_t r;

	do {
		r = waitpid(pid, status, 0);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

const int sys_fatal[SYS_N_FATAL] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT };

bool sys_is_fatal(uint32_t signal)
{
	for (size_t i = 0; i < SYS_N_FATAL; i++)
		if ((uint32_t)sys_fatal[i] == signal)
			return true;
	return false;
}

int sys_signalfd(const int *signals, size_t n)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, signals[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int sys_timer(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int sys_timer_set(int fd, uint64_t ms)
{
	struct itimerspec spec = {
		.it_value = { .tv_sec = (time_t)(ms / 1000),
			.tv_nsec = (long)(ms % 1000) * 1000000 },
	};

	return timerfd_settime(fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

bool sys_drain_counter(int fd)
{
	uint64_t count;
	ssize_t n;

	do {
		n = read(fd, &count, sizeof(count));
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

void sys_ring(int fd)
{
	if (fd >= 0)
		sys_write(fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}
