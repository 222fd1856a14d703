#include "cgroup_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

struct reaped {
	pid_t pid[16];
	int status[16];
	size_t n;
};

static void note_reaped(void *arg, pid_t pid, int status, const struct rusage *usage)
{
	struct reaped *r = arg;

	(void)usage;
	r->pid[r->n] = pid;
	r->status[r->n++] = status;
}

/* Ignores what can be ignored, leaves session and parent behind, and reports. */
static void daemonise(int report)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	if (fork() != 0)
		_exit(0);
	sys_write_all(report, "!", 1);
	stay();
}

/* Every process of it forks for as long as it lives; the pids limit keeps it small. */
_Noreturn static void fork_bomb(void)
{
	for (;;) {
		signal(SIGCHLD, SIG_IGN);
		if (fork() < 0)
			sched_yield();
		/* Short-lived ones as well, so that the list never stands still. */
		if (fork() == 0)
			_exit(0);
	}
}

static pid_t spawn_tree(const struct fixture *f, int report)
{
	pid_t pid = spawn(f), child;

	if (pid != 0)
		return pid;
	child = fork();
	if (child == 0)
		daemonise(report);
	/* The daemon is born before the bomb takes all there is. */
	sys_wait(child, &(int){ 0 });
	if (fork() == 0) {
		sys_write_all(report, "!", 1);
		fork_bomb();
	}
	stay();
}

Test(cgroup_kill, destroy_ends_a_tree_and_spares_its_neighbour, .timeout = 60)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct reaped reaped = { .n = 0 };
		struct lxe_cgroup_reaper reaper = { note_reaped, &reaped };
		int ends[2], status;
		pid_t pid, neighbour;
		struct fixture f;
		char byte;

		set_up(&f, mode, 64 << 20, 30);
		cr_assert_eq(sys_pipe(ends), 0);
		neighbour = fork();
		if (neighbour == 0) {
			/* It would outlive a failed assertion, and keep the pipe open. */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			lxe_close(ends[1]);
			stay();
		}
		pid = spawn_tree(&f, ends[1]);
		lxe_drop_fd(&ends[1]);
		for (int i = 0; i < 2; i++) {
			cr_assert(readable(ends[0]));
			cr_assert_eq(sys_read(ends[0], &byte, 1), 1);
		}
		cr_expect_eq(destroy_all(&f, &reaper), 0, "mode %d: %s", mode, f.err.msg);
		/* The last holder of the pipe's other end is gone, wherever it went. */
		cr_assert(readable(ends[0]));
		cr_expect_eq(sys_read(ends[0], &byte, 1), 0);
		cr_assert_eq(reaped.n, 1);
		cr_expect_eq(reaped.pid[0], pid);
		cr_expect(WIFSIGNALED(reaped.status[0]) && WTERMSIG(reaped.status[0]) == SIGKILL);
		cr_expect_eq(kill(neighbour, 0), 0);
		cr_expect_eq(sys_reap(neighbour, &status, NULL), 0, "the neighbour was touched");
		kill(neighbour, SIGKILL);
		cr_expect_eq(sys_wait(neighbour, &status), 0);
		lxe_close(ends[0]);
		tear_down(&f);
	}
}

Test(cgroup_kill, leaf_kill_ends_one_command_only, .timeout = 60)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct lxe_cgroup_leaf *other;
		struct fixture f, g;
		int ends[2], status;
		pid_t tree, bystander;
		char byte;

		set_up(&f, mode, 64 << 20, 30);
		cr_assert_eq(lxe_cgroup_leaf_init(&other, f.cg, &f.err), 0);
		g = f;
		g.leaf = other;
		cr_assert_eq(sys_pipe(ends), 0);
		bystander = spawn(&g);
		if (bystander == 0) {
			lxe_close(ends[0]);
			lxe_close(ends[1]);
			stay();
		}
		tree = spawn_tree(&f, ends[1]);
		lxe_drop_fd(&ends[1]);
		for (int i = 0; i < 2; i++)
			cr_assert(readable(ends[0]) && sys_read(ends[0], &byte, 1) == 1);
		cr_expect_eq(lxe_cgroup_leaf_kill(f.leaf), 0);
		cr_assert(readable(ends[0]), "mode %d: something survived", mode);
		cr_expect_eq(sys_read(ends[0], &byte, 1), 0);
		cr_expect_eq(sys_wait(tree, &status), 0);
		cr_expect_eq(sys_reap(bystander, &status, NULL), 0, "the bystander died");
		lxe_close(ends[0]);
		lxe_cgroup_leaf_free(other);
		tear_down(&f);
		cr_expect_eq(sys_wait(bystander, &status), 0);
	}
}

#define WRITTEN (16 << 20)

/* Long in the kernel each time, where nothing is frozen. */
_Noreturn static void write_on(int fd)
{
	unsigned char *bytes = malloc(WRITTEN);

	for (unsigned int round = 1;; round++) {
		memset(bytes, (int)round, WRITTEN);
		if (pwrite(fd, bytes, WRITTEN, 0) != WRITTEN)
			_exit(1);
	}
}

static unsigned int sum_of(const volatile unsigned char *bytes)
{
	unsigned int sum = 0;

	for (size_t at = 0; at < WRITTEN; at += 4096)
		sum = sum * 31 + bytes[at];
	return sum;
}

static void expect_standstill(const struct fixture *f, const volatile unsigned char *bytes)
{
	const struct timespec a_while = { .tv_nsec = 20000000 };
	unsigned int seen;

	for (int i = 0; i < 8; i++) {
		cr_expect_eq(lxe_cgroup_freeze(f->cg, true), 0);
		seen = sum_of(bytes);
		nanosleep(&a_while, NULL);
		cr_expect_eq(sum_of(bytes), seen, "round %d: something still wrote", i);
		cr_expect_eq(lxe_cgroup_freeze(f->cg, false), 0);
		while (sum_of(bytes) == seen)
			sched_yield();
	}
}

Test(cgroup_kill, nothing_runs_once_it_is_frozen, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		unsigned char *bytes;
		struct fixture f;
		pid_t pid;
		int fd;

		set_up(&f, mode, 128 << 20, 30);
		if (lxe_cgroup_host_mode(f.host) == LXE_CGROUP_V1) {
			cr_expect_eq(lxe_cgroup_freeze(f.cg, true), -ENODEV);
			tear_down(&f);
			continue;
		}
		fd = sys_memfd("lxe-test", 0);
		cr_assert_eq(ftruncate(fd, WRITTEN), 0);
		bytes = mmap(NULL, WRITTEN, PROT_READ, MAP_SHARED, fd, 0);
		cr_assert(bytes != MAP_FAILED);
		pid = spawn(&f);
		if (pid == 0)
			write_on(fd);
		expect_standstill(&f, bytes);
		tear_down(&f);
		sys_wait(pid, &(int){ 0 });
		munmap(bytes, WRITTEN);
		lxe_close(fd);
	}
}

Test(cgroup_kill, no_reaper_no_reaping, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct fixture f;
		int status;
		pid_t pid;

		set_up(&f, mode, 0, 30);
		pid = spawn(&f);
		if (pid == 0)
			stay();
		tear_down(&f);
		cr_expect_eq(sys_wait(pid, &status), 0, "its status was taken");
	}
}

/*
 * Pid 1 of a namespace cannot end before a child of ours in there is reaped, which is our caller's
 * business: the groups must go all the same.
 */
Test(cgroup_kill, unreaped_process_of_a_pid_namespace, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		int ends[2], status;
		struct fixture f;
		pid_t starter, attached;
		uint64_t start;
		int32_t pid;
		char path[64];
		int ns;

		set_up(&f, mode, 0, 30);
		cr_assert_eq(sys_pipe(ends), 0);
		starter = spawn(&f);
		if (starter == 0) {
			pid_t init = unshare(CLONE_NEWPID) < 0 ? -1 : fork();

			if (init == 0)
				stay();
			pid = init;
			sys_write_all(ends[1], &pid, sizeof(pid));
			stay();
		}
		lxe_drop_fd(&ends[1]);
		cr_assert(readable(ends[0]));
		cr_assert_eq(sys_read(ends[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
		cr_assert(pid > 0);
		snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		cr_assert(ns >= 0 && setns(ns, CLONE_NEWPID) == 0);
		attached = spawn(&f);
		if (attached == 0)
			stay();
		start = sys_now_ms();
		tear_down(&f);
		cr_expect_lt(sys_now_ms() - start, 1000);
		cr_expect_eq(sys_wait(attached, &status), 0);
		cr_expect_eq(sys_wait(starter, &status), 0);
		lxe_close(ends[0]);
		lxe_close(ns);
		/* What this process forks from now on would go into the dead namespace. */
		ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		cr_assert(ns >= 0 && setns(ns, CLONE_NEWPID) == 0);
		lxe_close(ns);
	}
}
