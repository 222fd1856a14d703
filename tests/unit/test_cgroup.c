#include "cgroup_fixture.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

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

static void burn(void)
{
	static volatile unsigned char page[8 << 20];

	for (size_t i = 0; i < sizeof(page); i += 4096)
		page[i] = 1;
	for (volatile unsigned int i = 0; i < 50000000; i++)
		;
}

Test(cgroup, usage_is_that_of_the_processes_inside, .timeout = 60)
{
	for (int mode = 0; mode < modes(); mode++) {
		struct lxe_cgroup_usage u, before;
		struct fixture f;
		int ends[2], status;
		pid_t pid;

		set_up(&f, mode, 0, 0);
		lxe_cgroup_usage(f.cg, &before);
		cr_expect_eq(before.pids, 0);
		cr_expect_eq(lxe_cgroup_oom_kills(f.cg), 0);
		cr_assert_eq(sys_pipe(ends), 0);
		pid = spawn(&f);
		if (pid == 0) {
			burn();
			sys_write_all(ends[1], "!", 1);
			stay();
		}
		await_byte(ends);
		lxe_cgroup_usage(f.cg, &u);
		cr_expect_eq(u.pids, 1, "mode %d: %lu", mode, u.pids);
		cr_expect_geq(u.memory, 8 << 20, "mode %d: %lu", mode, u.memory);
		cr_expect_geq(u.peak_memory, u.memory);
		/* Without v2 nobody counts it. */
		cr_expect_eq(u.cpu_us == LXE_CGROUP_UNKNOWN, before.cpu_us == LXE_CGROUP_UNKNOWN);
		if (u.cpu_us != LXE_CGROUP_UNKNOWN)
			cr_expect_gt(u.cpu_us, before.cpu_us + 1000);
		cr_expect_geq(lxe_cgroup_cpu_us(f.cg), u.cpu_us);
		lxe_close(ends[0]);
		tear_down(&f);
		cr_expect_eq(sys_wait(pid, &status), 0);
	}
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
