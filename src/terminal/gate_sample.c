#include "terminal/gate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/fd.h"

/* The sample is taken between two turns of an event loop: it looks at no more than this. */
#define PROCS_BYTES_MAX ((size_t)64 * 1024)
#define PROCESSES_MAX 1024
#define THREADS_MAX 64
#define FDS_MAX 256

/* Linux: Documentation/admin-guide/devices.txt */
#define PTS_MAJOR_FIRST 136u
#define PTS_MAJOR_LAST 143u
#define PTS_PER_MAJOR 256u
#define CURRENT_TTY makedev(5, 0) /* /dev/tty; of our group it is our pty */

/* Where the thread is, as /proc/PID/syscall prints it: number, six arguments, sp, pc. */
struct call {
	long number; /* -1: none that counts */
	uint64_t args[6];
	uint64_t fingerprint;
};

struct sampler {
	pid_t group;
	unsigned int pts;
	struct lxe_gate_process *found;
	size_t n, max;
};

/* FNV-1a */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

static uint64_t parse_hex(const char **p)
{
	uint64_t value = 0;

	for (; isxdigit((unsigned char)**p); (*p)++) {
		unsigned int c = (unsigned char)**p;

		value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/* "running" (on a processor) and "-1 SP PC" (blocked outside of any call) are no calls. */
static void parse_call(struct call *call, const char *text)
{
	const char *p = text;

	*call = (struct call){ .number = -1 };
	if (!isdigit((unsigned char)*p))
		return;
	call->number = 0;
	while (isdigit((unsigned char)*p))
		call->number = call->number * 10 + (*p++ - '0');
	for (size_t i = 0; i < 6 && lxe_starts_with(p, " 0x"); i++) {
		p += 3;
		call->args[i] = parse_hex(&p);
	}
	call->fingerprint = hash(text);
}

static bool is_read(const struct call *call)
{
	return call->number == SYS_read || call->number == SYS_readv || call->number == SYS_preadv2;
}

/*
 * Calls that wait for descriptors. With nothing to wait for they are only a way to sleep. None of
 * the numbers without a definition exists on newer architectures (aarch64).
 */
static bool is_poll(const struct call *call)
{
	switch (call->number) {
#ifdef SYS_poll
	case SYS_poll:
#endif
	case SYS_ppoll:
		return call->args[1] > 0;
#ifdef SYS_select
	case SYS_select:
#endif
	case SYS_pselect6:
		return call->args[0] > 0 && call->args[1] != 0;
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
#endif
	case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
	case SYS_epoll_pwait2:
#endif
		return true;
#ifdef SYS_io_uring_enter
	case SYS_io_uring_enter:
		return call->args[2] > 0;
#endif
	default:
		return false;
	}
}

/* The descriptor directory's links lead to the node itself, whatever namespace it is mounted in. */
static bool is_terminal(const struct sampler *s, int fds, const char *name)
{
	struct stat st;
	unsigned int maj, min;

	if (fstatat(fds, name, &st, 0) < 0 || !S_ISCHR(st.st_mode))
		return false;
	if (st.st_rdev == CURRENT_TTY)
		return true;
	maj = major(st.st_rdev);
	min = minor(st.st_rdev);
	return maj >= PTS_MAJOR_FIRST && maj <= PTS_MAJOR_LAST &&
	       (maj - PTS_MAJOR_FIRST) * PTS_PER_MAJOR + min == s->pts;
}

static int open_fds(int process)
{
	return openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool reads_terminal(const struct sampler *s, int process, uint64_t fd)
{
	LXE_AUTOCLOSE int fds = open_fds(process);
	char name[24];

	if (fds < 0 || lxe_format(name, sizeof(name), "%llu", (unsigned long long)fd) < 0)
		return false;
	return is_terminal(s, fds, name);
}

static bool holds_terminal(const struct sampler *s, int process)
{
	int fds = open_fds(process);
	DIR *dir = fds < 0 ? NULL : fdopendir(fds);
	const struct dirent *e;
	bool found = false;

	if (!dir) {
		lxe_close(fds);
		return false;
	}
	for (int i = 0; i < FDS_MAX && !found && (e = readdir(dir)); i++)
		found = e->d_name[0] != '.' && is_terminal(s, dirfd(dir), e->d_name);
	closedir(dir);
	return found;
}

static enum lxe_gate_wait classify(
	const struct sampler *s, int process, int tasks, const char *tid, struct call *call)
{
	char path[32], text[256];

	if (lxe_format(path, sizeof(path), "%s/syscall", tid) < 0 ||
		sys_read_file(tasks, path, text, sizeof(text)) < 0)
		return LXE_GATE_BUSY;
	parse_call(call, text);
	if (is_read(call) && reads_terminal(s, process, call->args[0]))
		return LXE_GATE_READ;
	if (is_poll(call) && holds_terminal(s, process))
		return LXE_GATE_POLL;
	return LXE_GATE_BUSY;
}

static void add(struct sampler *s, pid_t pid, enum lxe_gate_wait wait, uint64_t fingerprint)
{
	if (s->n < s->max)
		s->found[s->n++] = (struct lxe_gate_process){
			.pid = pid, .wait = wait, .fingerprint = fingerprint
		};
}

static bool parse_pid(const char *text, pid_t *ret)
{
	return lxe_parse_int(text, 1, INT32_MAX, ret) == 0;
}

/*
 * A program reads its input in any thread. One that reads speaks for the process; threads in poll
 * are listed one by one, as each has a wait of its own; busy ones say nothing.
 */
static void look_at_threads(struct sampler *s, int process, pid_t pid)
{
	int tasks = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = tasks < 0 ? NULL : fdopendir(tasks);
	const struct dirent *e;
	size_t before = s->n;

	if (!dir) {
		lxe_close(tasks);
		return;
	}
	for (int i = 0; i < THREADS_MAX && (e = readdir(dir));) {
		struct call call = { .number = -1 };
		enum lxe_gate_wait wait;
		pid_t tid;

		if (!parse_pid(e->d_name, &tid))
			continue;
		i++;
		wait = classify(s, process, dirfd(dir), e->d_name, &call);
		if (wait != LXE_GATE_BUSY)
			add(s, tid, wait, call.fingerprint);
		if (wait == LXE_GATE_READ)
			break;
	}
	closedir(dir);
	if (s->n == before)
		add(s, pid, LXE_GATE_BUSY, 0);
}

/* Field 5 of /proc/PID/stat; the name in field 2 may contain anything, so count from its end. */
static pid_t group_of(int process)
{
	char text[1024], *p, *end;
	pid_t group;

	if (sys_read_file(process, "stat", text, sizeof(text)) < 0)
		return -1;
	p = strrchr(text, ')');
	for (int i = 0; p && i < 3; i++)
		p = strchr(p + 1, ' ');
	end = p ? strchr(p + 1, ' ') : NULL;
	if (!end)
		return -1;
	*end = '\0';
	return parse_pid(p + 1, &group) ? group : -1;
}

/* A process that is gone, or that we may not look at, waits for nothing that we could know of. */
static void look_at(struct sampler *s, const char *pid_text)
{
	LXE_AUTOCLOSE int process = -EBADF;
	char path[32];
	pid_t pid;

	if (!parse_pid(pid_text, &pid) || lxe_format(path, sizeof(path), "/proc/%d", pid) < 0)
		return;
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process >= 0 && group_of(process) == s->group)
		look_at_threads(s, process, pid);
}

static void look_at_all(struct sampler *s, int procs)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len;
	char *save = NULL;

	if (sys_read_whole(procs, PROCS_BYTES_MAX, &text, &len) < 0)
		return;
	if (strcmp(text, LXE_GATE_SOMEBODY) == 0) {
		add(s, s->group, LXE_GATE_READ, 0);
		return;
	}
	char *line = strtok_r(text, "\n", &save);
	for (int i = 0; line && i < PROCESSES_MAX && s->n < s->max; i++) {
		look_at(s, line);
		line = strtok_r(NULL, "\n", &save);
	}
}

static void look_at_everybody(struct sampler *s)
{
	DIR *dir = opendir("/proc");
	const struct dirent *e;

	while (dir && s->n < s->max && (e = readdir(dir)))
		look_at(s, e->d_name);
	if (dir)
		closedir(dir);
}

int lxe_gate_sample_take(
	int master, int procs, bool *canonical, struct lxe_gate_process *processes, size_t max)
{
	struct sampler s = { .found = processes, .max = max };
	struct termios tio;

	if (tcgetattr(master, &tio) < 0 || ioctl(master, TIOCGPTN, &s.pts) < 0 ||
		ioctl(master, TIOCGPGRP, &s.group) < 0)
		return -errno;
	*canonical = tio.c_lflag & ICANON;
	/* No group: the command has not taken the terminal yet. */
	if (s.group > 0 && procs >= 0)
		look_at_all(&s, procs);
	else if (s.group > 0)
		look_at_everybody(&s);
	return (int)s.n;
}
