/*
 * Limits of processors and disks: on this machine's hierarchies, and on a directory that stands for a
 * group and answers as the kernel does, or as it must not.
 */
#include "cgroup_fixture.h"

#include <sys/stat.h>

#include "cgroup/group.h"

struct fake {
	char path[64];
	struct lxe_group_dir d;
	struct lxe_err err;
};

static void fake_put(const struct fake *f, const char *file, const char *text)
{
	int fd = openat(f->d.fd, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert(fd >= 0);
	cr_assert_eq(sys_write_all(fd, text, strlen(text)), 0);
	lxe_close(fd);
}

static void fake_begin(struct fake *f, bool v2)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->path, sizeof(f->path), "/tmp/lxe-fake-XXXXXX");
	cr_assert(mkdtemp(f->path));
	f->d.path = f->path;
	f->d.v2 = v2;
	f->d.fd = open(f->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cr_assert(f->d.fd >= 0);
}

static void fake_end(struct fake *f)
{
	static const char *const files[] = { "cpu.max", "io.max", "cpuset.cpus",
		"cpuset.cpus.effective", "pids.max" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(f->d.fd, files[i], 0);
	cr_expect_eq(rmdir(f->path), 0);
	lxe_close(f->d.fd);
}

static void fake_expect(const struct fake *f, const char *file, const char *text)
{
	char got[256];

	cr_assert(sys_read_file(f->d.fd, file, got, sizeof(got)) >= 0);
	cr_expect_str_eq(got, text);
}

Test(cgroup_limits, v2_cpu_max)
{
	struct fake f;

	fake_begin(&f, true);
	fake_put(&f, "cpu.max", "");
	cr_expect_eq(lxe_cgroup_set_cpus(&f.d, 50, &f.err), 0, "%s", f.err.msg);
	fake_expect(&f, "cpu.max", "50000 100000");
	fake_put(&f, "cpu.max", "");
	cr_expect_eq(lxe_cgroup_set_cpus(&f.d, 1, &f.err), 0, "%s", f.err.msg);
	fake_expect(&f, "cpu.max", "1000 100000");
	cr_expect_lt(lxe_cgroup_set_cpus(&f.d, 819200, &f.err), 0);
	cr_expect(strstr(f.err.msg, "--cpus 8192.00"), "%s", f.err.msg);
	fake_end(&f);
}

/* A file that a write does not change: what was written over stays behind what is shorter. */
Test(cgroup_limits, what_is_not_read_back_is_not_set)
{
	struct lxe_cgroup_io io = { .major = 8, .minor = 0, .wbps = 1048576 };
	struct fake f;

	fake_begin(&f, true);
	fake_put(&f, "cpu.max", "999999999 999999999");
	cr_expect_eq(lxe_cgroup_set_cpus(&f.d, 50, &f.err), -ERANGE);
	cr_expect(strstr(f.err.msg, "does not hold"), "%s", f.err.msg);
	fake_put(&f, "io.max", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	cr_expect_eq(lxe_cgroup_set_io(&f.d, &io, &f.err), -ERANGE);
	fake_put(&f, "pids.max", "123456");
	cr_expect_eq(lxe_cgroup_set_number(&f.d, "pids.max", 20, 1, &f.err), -ERANGE);
	cr_expect_eq(lxe_cgroup_set_number(&f.d, "none.max", 20, 1, &f.err), -ENOENT);
	fake_end(&f);
}

Test(cgroup_limits, v2_takes_cpus_that_are_not_there_and_we_do_not)
{
	struct fake f;

	fake_begin(&f, true);
	fake_put(&f, "cpuset.cpus", "");
	fake_put(&f, "cpuset.cpus.effective", "0-1\n");
	cr_expect_eq(lxe_cgroup_set_cpuset(&f.d, "0-1", &f.err), 0, "%s", f.err.msg);
	cr_expect_eq(lxe_cgroup_set_cpuset(&f.d, "1-2", &f.err), -ERANGE);
	cr_expect(strstr(f.err.hint, "0-1"), "%s", f.err.hint);
	fake_end(&f);
}

Test(cgroup_limits, v2_io_max)
{
	struct lxe_cgroup_io io = { .major = 8, .minor = 16, .rbps = 65536, .wiops = 7 };
	struct fake f;

	fake_begin(&f, true);
	fake_put(&f, "io.max", "");
	cr_expect_eq(lxe_cgroup_set_io(&f.d, &io, &f.err), 0, "%s", f.err.msg);
	fake_expect(&f, "io.max", "8:16 rbps=65536 wiops=7");
	fake_end(&f);
}

static void read_in(
	const struct fixture *f, const char *what, const char *file, char *got, size_t n)
{
	char path[PATH_MAX];

	got[0] = '\0';
	for (size_t i = 0; i < f->paths.n; i++) {
		snprintf(path, sizeof(path), "%s/%s", f->paths.v[i], file);
		if (sys_read_file(AT_FDCWD, path, got, n) > 0)
			return;
	}
	cr_log_info("%s: no file %s", what, file);
}

/* On the hierarchies of this machine; one that it has not is refused with the option's name. */
Test(cgroup_limits, of_this_machine, .timeout = 30)
{
	struct lxe_cgroup_limits limits = { .memory = 64 << 20, .cpus = 50, .cpuset = "0" };
	struct fixture f = { 0 };
	char got[256];

	f.host = host_with(" - none-such ", 0, &f.err);
	if (lxe_cgroup_host_need(f.host, &limits, &f.err) < 0) {
		cr_expect(strstr(f.err.msg, "--cpu"), "%s", f.err.msg);
		lxe_cgroup_host_free(f.host);
		return;
	}
	snprintf(f.name, sizeof(f.name), "lxe-limits%d", getpid());
	cr_assert_eq(lxe_cgroup_paths(f.host, f.name, &f.paths), 0);
	cr_assert_eq(lxe_cgroup_create(&f.cg, f.host, f.name, &limits, &f.err), 0, "%s", f.err.msg);
	cr_assert_eq(lxe_cgroup_leaf_exec(&f.leaf, f.cg, 0, &f.err), 0, "%s", f.err.msg);
	read_in(&f, "cpuset", "cpuset.cpus", got, sizeof(got));
	cr_expect_str_eq(got, "0\n");
	read_in(&f, "cpu", has_v1() ? "cpu.cfs_quota_us" : "cpu.max", got, sizeof(got));
	cr_expect(lxe_starts_with(got, "50000"), "%s", got);
	/* Each command's kills are its own. */
	cr_expect_eq(lxe_cgroup_leaf_oom_kills(f.leaf), 0);
	lxe_cgroup_let_end(f.cg);
	read_in(&f, "cpu", has_v1() ? "cpu.cfs_quota_us" : "cpu.max", got, sizeof(got));
	cr_expect(lxe_starts_with(got, has_v1() ? "-1" : "max"), "%s", got);
	tear_down(&f);
}

Test(cgroup_limits, what_no_hierarchy_has_is_refused)
{
	struct lxe_cgroup_limits limits = { .cpus = 50 };
	struct lxe_err err = { 0 };
	struct lxe_cgroup_host host = { .mode = LXE_CGROUP_V1 };

	cr_expect_eq(lxe_cgroup_host_need(&host, &limits, &err), -ENODEV);
	cr_expect(strstr(err.msg, "--cpus") && strstr(err.msg, "'cpu'"), "%s", err.msg);
	cr_expect(strstr(err.hint, "mount -t cgroup -o cpu"), "%s", err.hint);
	memset(&err, 0, sizeof(err));
	host.delegated = true;
	cr_expect_eq(lxe_cgroup_host_need(&host, &limits, &err), -ENODEV);
	cr_expect(strstr(err.msg, "not delegated"), "%s", err.msg);
}

Test(cgroup_limits, disks)
{
	struct lxe_cgroup_io io;
	struct lxe_err err = { 0 };

	cr_expect_eq(lxe_cgroup_io_device("/dev/null", &io, &err), -ENODEV);
	cr_expect_eq(lxe_cgroup_io_device("/proc", &io, &err), -ENODEV);
	cr_expect_eq(lxe_cgroup_io_device("/no/such", &io, &err), -ENOENT);
}
