#include "cgroup/cgroup.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cgroup/hierarchy.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define DEADLINE_MS 10000

struct fixture {
	struct lxe_cgroup_host *host;
	struct lxe_cgroup *cg;
	struct lxe_cgroup_leaf *leaf;
	struct lxe_strv paths;
	struct lxe_err err;
	char name[64];
};

/* A copy of this machine's mountinfo with the lines of one cgroup version only. */
static struct lxe_cgroup_host *host_with(const char *unwanted, int expected, struct lxe_err *err)
{
	struct lxe_cgroup_host *host = NULL;
	char path[] = "/tmp/lxe-mountinfo-XXXXXX", line[4096];
	FILE *from = fopen("/proc/self/mountinfo", "re");
	FILE *to = fdopen(mkostemp(path, O_CLOEXEC), "w");
	int r;

	cr_assert(from && to);
	while (fgets(line, sizeof(line), from))
		if (!strstr(line, unwanted))
			fputs(line, to);
	fclose(from);
	fclose(to);
	r = lxe_cgroup_host_open(&host, path, "/proc/self/cgroup", err);
	unlink(path);
	cr_assert_eq(r, expected, "host: %d %s", r, err->msg);
	return host;
}

static bool has_v1(void)
{
	struct lxe_cgroup_host *host = NULL;
	bool v1;

	cr_assert_eq(
		lxe_cgroup_host_open(&host, "/proc/self/mountinfo", "/proc/self/cgroup", NULL), 0);
	v1 = lxe_cgroup_host_mode(host) != LXE_CGROUP_V2;
	lxe_cgroup_host_free(host);
	return v1;
}

/* The ways to run: as this machine is, and on a v1 or hybrid machine without v2. */
static int modes(void)
{
	return has_v1() ? 2 : 1;
}

static void set_up(struct fixture *f, int mode, uint64_t memory, uint64_t pids)
{
	static unsigned int serial;
	struct lxe_cgroup_limits limits = { .memory = memory, .pids = pids };

	memset(f, 0, sizeof(*f));
	f->host = host_with(mode ? " - cgroup2 " : " - none-such ", 0, &f->err);
	snprintf(f->name, sizeof(f->name), "lxe-test%d-%u", getpid(), serial++);
	cr_assert_eq(lxe_cgroup_paths(f->host, f->name, &f->paths), 0);
	cr_assert_eq(lxe_cgroup_create(&f->cg, f->host, f->name, &limits, &f->err), 0, "create: %s",
		f->err.msg);
	cr_assert_eq(lxe_cgroup_leaf_exec(&f->leaf, f->cg, 0, &f->err), 0, "leaf: %s", f->err.msg);
}

static int destroy_all(struct fixture *f, const struct lxe_cgroup_reaper *reaper)
{
	int first = 0;

	for (size_t i = f->paths.n; i > 0; i--) {
		int r = lxe_cgroup_destroy(
			f->host, f->paths.v[i - 1], DEADLINE_MS, reaper, &f->err);

		first = first ? first : r;
	}
	return first;
}

static void tear_down(struct fixture *f)
{
	cr_expect_eq(destroy_all(f, NULL), 0, "destroy: %s", f->err.msg);
	for (size_t i = 0; i < f->paths.n; i++)
		cr_expect(access(f->paths.v[i], F_OK) < 0, "'%s' is left", f->paths.v[i]);
	lxe_cgroup_leaf_free(f->leaf);
	lxe_cgroup_free(f->cg);
	lxe_strv_release(&f->paths);
	lxe_cgroup_host_free(f->host);
}

/* A process in the leaf; the child gets 0. */
static pid_t spawn(const struct fixture *f)
{
	pid_t pid = sys_fork_into(lxe_cgroup_leaf_fork_fd(f->leaf));

	cr_assert(pid >= 0, "fork into the leaf: %d", pid);
	if (pid == 0 && lxe_cgroup_leaf_enter(f->leaf) < 0)
		_exit(99);
	return pid;
}

_Noreturn static void stay(void)
{
	for (;;)
		pause();
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, DEADLINE_MS) == 1;
}

/* Wait for a byte; the other end is closed here, so that a dead writer is seen. */
static void await_byte(int ends[2])
{
	char byte;

	lxe_drop_fd(&ends[1]);
	cr_assert(readable(ends[0]), "no sign of life");
	cr_assert_eq(sys_read(ends[0], &byte, 1), 1, "it died");
}

static bool lists(const struct fixture *f, pid_t pid)
{
	/* As callers have to on v1. */
	char path[64], text[4096], word[16];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", lxe_cgroup_leaf_procs_fd(f->leaf));
	snprintf(word, sizeof(word), "%d", pid);
	n = sys_read_file(AT_FDCWD, path, text, sizeof(text));
	return n > 0 && lxe_cgroup_has_word(text, "\n", word);
}

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

Test(cgroup, processes_are_in_every_hierarchy_and_in_the_leaf, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		char path[64], text[4096];
		struct fixture f;
		int ends[2];
		pid_t pid;
		int seen = 0;

		set_up(&f, mode, 64 << 20, 30);
		cr_assert_eq(sys_pipe(ends), 0);
		pid = spawn(&f);
		if (pid == 0) {
			sys_write_all(ends[1], "!", 1);
			stay();
		}
		await_byte(ends);
		cr_expect(lists(&f, pid));
		snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
		cr_assert(sys_read_file(AT_FDCWD, path, text, sizeof(text)) > 0);
		for (char *p = text; (p = strstr(p, f.name)); p++)
			seen++;
		cr_expect_eq(seen, (int)f.paths.n, "in %d of %zu: %s", seen, f.paths.n, text);
		lxe_close(ends[0]);
		tear_down(&f);
		cr_expect_eq(sys_wait(pid, &seen), 0);
	}
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

Test(cgroup, destroy_ends_a_tree_and_spares_its_neighbour, .timeout = 60)
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

Test(cgroup, leaf_kill_ends_one_command_only, .timeout = 60)
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

Test(cgroup, no_reaper_no_reaping, .timeout = 30)
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
Test(cgroup, unreaped_process_of_a_pid_namespace, .timeout = 30)
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

Test(cgroup, destroy_twice_and_half_made, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct fixture f;

		set_up(&f, mode, 0, 0);
		/* As if the creator had died after its first steps. */
		cr_expect_eq(lxe_cgroup_destroy(f.host, f.paths.v[0], 1000, NULL, &f.err), 0);
		cr_expect_eq(destroy_all(&f, NULL), 0);
		cr_expect_eq(destroy_all(&f, NULL), 0);
		tear_down(&f);
	}
}

Test(cgroup, deeper_groups_go_too, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		char path[PATH_MAX];
		struct fixture f;

		set_up(&f, mode, 0, 0);
		snprintf(path, sizeof(path), "%s/x0/a", f.paths.v[f.paths.n - 1]);
		cr_assert_eq(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/x0/a/b", f.paths.v[f.paths.n - 1]);
		cr_assert_eq(mkdir(path, 0755), 0);
		tear_down(&f);
	}
}

Test(cgroup, somebody_elses_path, .timeout = 30)
{
	struct fixture f;
	struct lxe_strv elsewhere = { 0 };
	char path[PATH_MAX];

	/* Another process's own group may be another one: any place below the mount will do. */
	set_up(&f, 0, 0, 0);
	for (size_t i = 0; i < f.host->n; i++) {
		snprintf(path, sizeof(path), "%s/lxe-outer-%s", f.host->hierarchy[i].mount, f.name);
		cr_assert_eq(mkdir(path, 0755), 0);
		cr_assert_eq(lxe_strv_add(&elsewhere, path), 0);
	}
	for (size_t i = 0; i < elsewhere.n; i++) {
		cr_expect_eq(lxe_cgroup_destroy(f.host, elsewhere.v[i], 1000, NULL, &f.err), 0);
		cr_expect(access(elsewhere.v[i], F_OK) < 0);
	}
	lxe_strv_release(&elsewhere);
	tear_down(&f);
}

Test(cgroup, refuses_what_is_not_ours, .timeout = 30)
{
	static const struct {
		const char *before, *after;
		int expected;
	} cases[] = {
		{ "", "/init", -EINVAL },
		{ "", "/lxe-", -EINVAL },
		{ "", "/lxe-x/", -EINVAL },
		{ "", "/../lxe-1", -EINVAL },
		{ "", "/../../x/lxe-1", -EINVAL },
		{ "", "/./lxe-1", -EINVAL },
		{ "", "//lxe-1", -EINVAL },
		{ "", "lxe-1", -EINVAL },
		{ "lxe-1", "", -EINVAL },
		{ "/tmp", "/lxe-1", -EXDEV },
		{ "", "/none/lxe-1", 0 },
	};
	struct fixture f;

	set_up(&f, 0, 0, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lxe_err err = { 0 };
		char path[PATH_MAX];

		cr_assert_eq(lxe_format(path, sizeof(path), "%s%s%s", cases[i].before,
				     f.host->hierarchy[0].mount, cases[i].after),
			0);
		cr_expect_eq(lxe_cgroup_destroy(f.host, path, 1000, NULL, &err), cases[i].expected,
			"%s: %s", path, err.msg);
	}
	cr_expect_eq(
		lxe_cgroup_create(&f.cg, f.host, "other", &(struct lxe_cgroup_limits){ 0 }, &f.err),
		-EINVAL);
	f.err = (struct lxe_err){ 0 };
	cr_expect_eq(
		lxe_cgroup_create(&f.cg, f.host, f.name, &(struct lxe_cgroup_limits){ 0 }, &f.err),
		-EEXIST);
	tear_down(&f);
}

Test(cgroup, pids_limit_holds_and_is_counted, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct lxe_cgroup_stats stats;
		struct fixture f;
		int status;
		pid_t pid;

		set_up(&f, mode, 0, 3);
		pid = spawn(&f);
		if (pid == 0) {
			for (int i = 0; i < 2; i++) {
				pid_t child = fork();

				if (child < 0)
					_exit(1);
				if (child == 0)
					stay();
			}
			_exit(fork() < 0 && errno == EAGAIN ? 42 : 2);
		}
		cr_assert_eq(sys_wait(pid, &status), 0);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %x", status);
		lxe_cgroup_stats(f.cg, &stats);
		cr_expect_eq(
			stats.pids_max_hits, 1, "mode %d: %lu hits", mode, stats.pids_max_hits);
		cr_expect_eq(stats.oom_kills, 0);
		tear_down(&f);
	}
}

Test(cgroup, memory_limit_holds_and_is_counted, .timeout = 60)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct lxe_cgroup_stats stats;
		struct fixture f;
		int status;
		pid_t pid;

		set_up(&f, mode, 16 << 20, 30);
		pid = spawn(&f);
		if (pid == 0) {
			char *p = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			for (size_t i = 0; i < 64 << 20; i += 4096)
				p[i] = 1;
			_exit(0);
		}
		cr_assert_eq(sys_wait(pid, &status), 0);
		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
		lxe_cgroup_stats(f.cg, &stats);
		cr_expect_eq(stats.oom_kills, 1, "mode %d: %lu kills", mode, stats.oom_kills);
		cr_expect_gt(stats.peak_memory, 12 << 20);
		cr_expect_leq(stats.peak_memory, 16 << 20);
		cr_expect_eq(stats.pids_max_hits, 0);
		if (mode == 0)
			cr_expect_gt(stats.user_us + stats.system_us, 0);
		tear_down(&f);
	}
}

Test(cgroup, odd_limits, .timeout = 30)
{
	struct fixture f;
	struct lxe_cgroup *cg = NULL;
	struct lxe_cgroup_limits impossible = { .pids = UINT64_MAX };
	char name[128];

	set_up(&f, 0, (32 << 20) + 5, 7);
	tear_down(&f);

	set_up(&f, 0, 0, 0);
	snprintf(name, sizeof(name), "%s-b", f.name);
	cr_expect_lt(lxe_cgroup_create(&cg, f.host, name, &impossible, &f.err), 0);
	cr_expect_null(cg);
	cr_expect(strstr(f.err.msg, "pids.max"), "%s", f.err.msg);
	/* What a failed create leaves behind is the journal's, by the paths it was told before. */
	lxe_strv_release(&f.paths);
	cr_assert_eq(lxe_cgroup_paths(f.host, name, &f.paths), 0);
	cr_assert_eq(lxe_cgroup_paths(f.host, f.name, &f.paths), 0);
	tear_down(&f);
}

Test(cgroup, v2_without_controllers_is_an_error_with_a_remedy)
{
	struct lxe_err err = { 0 };

	if (has_v1()) {
		host_with(" - cgroup ", -ENODEV, &err);
		cr_expect(strstr(err.msg, "'memory' controller"), "%s", err.msg);
	} else {
		host_with(" - cgroup2 ", -ENODEV, &err);
		cr_expect_str_eq(err.msg, "no cgroup hierarchy is mounted");
	}
	cr_expect(err.hint[0]);
}

Test(cgroup, missing_mounts_are_named)
{
	struct lxe_err err = { 0 };

	host_with("cgroup", -ENODEV, &err);
	cr_expect_str_eq(err.msg, "no cgroup hierarchy is mounted");
	cr_expect(err.hint[0]);
	err = (struct lxe_err){ 0 };
	cr_expect_eq(lxe_cgroup_host_open(&(struct lxe_cgroup_host *){ NULL },
			     "/nonexistent/mountinfo", "/proc/self/cgroup", &err),
		-ENOENT);
	cr_expect_str_eq(err.msg, "open '/nonexistent/mountinfo': no such file or directory");
}

/* In a child: a mount namespace and missing privileges are for good. */
static int in_child(int (*body)(struct fixture *f), struct fixture *f)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body(f));
	cr_assert(pid > 0);
	cr_assert_eq(sys_wait(pid, &status), 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int hide_and_destroy(struct fixture *f)
{
	struct statvfs fs;
	pid_t pid;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 10;
	if (lxe_cgroup_hide(&f->err) < 0)
		return 11;
	if (access("/sys/fs/cgroup/unified", F_OK) == 0 || access(f->paths.v[0], F_OK) == 0)
		return 12;
	if (statvfs("/sys/fs/cgroup", &fs) < 0 || !(fs.f_flag & ST_RDONLY))
		return 13;
	pid = spawn(f);
	if (pid == 0)
		stay();
	return destroy_all(f, NULL) < 0 ? 14 : 0;
}

Test(cgroup, works_while_hidden, .timeout = 30)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct fixture f;

		set_up(&f, mode, 0, 30);
		cr_expect_eq(in_child(hide_and_destroy, &f), 0);
		for (size_t i = 0; i < f.paths.n; i++)
			cr_expect(access(f.paths.v[i], F_OK) < 0);
		tear_down(&f);
	}
}

static int create_unprivileged(struct fixture *f)
{
	struct lxe_cgroup *cg;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 10;
	if (lxe_cgroup_create(&cg, f->host, "lxe-nobody", &(struct lxe_cgroup_limits){ 0 },
		    &f->err) != -EACCES)
		return 11;
	if (!strstr(f->err.msg, "lxe-nobody': permission denied") || !f->err.hint[0])
		return 12;
	return 0;
}

static int create_read_only(struct fixture *f)
{
	struct lxe_cgroup_host *host;
	struct lxe_cgroup *cg;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 10;
	for (size_t i = 0; i < f->host->n; i++)
		if (mount(NULL, f->host->hierarchy[i].mount, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY,
			    NULL) < 0)
			return 11;
	if (lxe_cgroup_host_open(&host, "/proc/self/mountinfo", "/proc/self/cgroup", NULL) < 0)
		return 12;
	if (lxe_cgroup_create(&cg, host, "lxe-ro", &(struct lxe_cgroup_limits){ 0 }, &f->err) !=
		-EROFS)
		return 13;
	return strstr(f->err.hint, "read-only") ? 0 : 14;
}

Test(cgroup, no_right_to_make_groups, .timeout = 30)
{
	struct fixture f;

	set_up(&f, 0, 0, 0);
	cr_expect_eq(in_child(create_unprivileged, &f), 0);
	cr_expect_eq(in_child(create_read_only, &f), 0);
	tear_down(&f);
}
