#include "confine/confine.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/caps.h"
#include "sys/caps.h"
#include "sys/fd.h"
#include "sys/tree.h"

/* ---- the cache ---- */

struct state {
	char path[64];
	char file[512]; /* the cached filter, once there is one */
};

static struct state new_state(void)
{
	struct state s = { 0 };

	snprintf(s.path, sizeof(s.path), "/tmp/lxe-test-state-XXXXXX");
	cr_assert_not_null(mkdtemp(s.path));
	return s;
}

static void find_file(struct state *s)
{
	char dir[96];
	const struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/cache", s->path);
	d = opendir(dir);
	cr_assert_not_null(d);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			snprintf(s->file, sizeof(s->file), "%s/%s", dir, e->d_name);
	closedir(d);
	cr_assert_neq(s->file[0], '\0', "it was cached");
}

static void end_state(const struct state *s)
{
	cr_assert_eq(sys_tree_remove(AT_FDCWD, s->path), 0);
}

static struct lxe_filter load_how(const char *state, const struct lxe_filter_how *how)
{
	struct lxe_filter f = { 0 };
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_filter_load(&f, state, how, &err), 0, "%s", err.msg);
	return f;
}

static struct lxe_filter load(const char *state)
{
	const struct lxe_filter_how how = { .name = "default", .caps = lxe_caps_default() };
	struct lxe_filter f = load_how(state, &how);

	cr_assert_not_null(f.instructions);
	return f;
}

static void expect_same(const struct lxe_filter *a, const struct lxe_filter *b)
{
	cr_assert_eq(a->n, b->n);
	cr_assert_eq(memcmp(a->instructions, b->instructions, a->n * sizeof(*a->instructions)), 0);
}

/* A filter of one instruction that would let everything pass. */
static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

static void put(const char *path, const void *bytes, size_t len, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(sys_write_all(fd, bytes, len), 0);
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

static char *read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes;

	cr_assert_geq(fd, 0);
	cr_assert_eq(sys_read_whole(fd, 1 << 22, &bytes, len), 0);
	close(fd);
	return bytes;
}

Test(filter, is_compiled_once_and_then_read_from_the_cache)
{
	struct state s = new_state();
	struct lxe_filter first = load(s.path), second;
	struct stat before, after;

	find_file(&s);
	cr_assert_eq(stat(s.file, &before), 0);
	cr_assert_gt(before.st_size, (off_t)(first.n * sizeof(*first.instructions)));
	cr_assert_eq(before.st_mode & 07777, 0600);
	second = load(s.path);
	expect_same(&first, &second);
	/* That it was read shows in its times (the reading is noted when the last one is old). */
	cr_assert_eq(stat(s.file, &after), 0);
	cr_assert_eq(after.st_ino, before.st_ino);
	cr_assert_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	lxe_filter_release(&first);
	lxe_filter_release(&second);
	cr_assert_null(second.instructions);
	end_state(&s);
}

/* Each profile and each set of capabilities has a filter of its own, whatever else is the same. */
Test(filter, another_profile_is_another_file)
{
	static const char text[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}";
	const struct lxe_filter_how hows[] = {
		{ .name = "default", .caps = lxe_caps_default() },
		{ .name = "default", .caps = lxe_caps_default() | 1ULL << CAP_SYS_ADMIN },
		{ .name = "strict", .caps = lxe_caps_default() },
		{ .name = "x", .text = text, .len = strlen(text) },
		{ .name = "x", .text = " {\"defaultAction\": \"SCMP_ACT_LOG\"}", .len = 34 },
	};
	struct lxe_filter cold[5], warm;
	struct state s = new_state();

	for (size_t i = 0; i < 5; i++)
		cold[i] = load_how(s.path, &hows[i]);
	for (size_t i = 0; i < 5; i++) {
		warm = load_how(s.path, &hows[i]);
		expect_same(&cold[i], &warm);
		lxe_filter_release(&warm);
		for (size_t k = 0; k < i; k++)
			cr_assert(cold[i].n != cold[k].n ||
					  memcmp(cold[i].instructions, cold[k].instructions,
						  cold[i].n * sizeof(allow)) != 0,
				"%zu and %zu", i, k);
	}
	for (size_t i = 0; i < 5; i++)
		lxe_filter_release(&cold[i]);
	end_state(&s);
}

Test(filter, without_confinement_there_is_none)
{
	struct lxe_filter_how how = { .name = "unconfined" };
	struct lxe_filter f = load_how("/proc/lxe-test-absent", &how);

	cr_assert_eq(f.n, 0);
	how.learn = true;
	f = load_how("/proc/lxe-test-absent", &how);
	cr_assert_gt(f.n, 0);
	cr_assert(f.listens);
	lxe_filter_release(&f);
}

Test(filter, it_is_known_whether_it_ends_processes)
{
	static const char kill[] = "{\"defaultAction\": \"SCMP_ACT_KILL_PROCESS\"}",
			  trap[] = "{\"defaultAction\": \"SCMP_ACT_TRAP\"}";
	struct lxe_filter_how how = { .name = "x", .text = kill, .len = strlen(kill) };
	struct lxe_filter f = load_how("/proc/lxe-test-absent", &how);

	cr_assert(f.kills);
	lxe_filter_release(&f);
	how.log = true;
	f = load_how("/proc/lxe-test-absent", &how);
	cr_assert_not(f.kills);
	lxe_filter_release(&f);
	how = (struct lxe_filter_how){ .name = "x", .text = trap, .len = strlen(trap) };
	f = load_how("/proc/lxe-test-absent", &how);
	cr_assert(f.kills);
	lxe_filter_release(&f);
	f = load("/proc/lxe-test-absent");
	cr_assert_not(f.kills);
	lxe_filter_release(&f);
}

/* Profiles come and go: what they leave behind has a limit. */
Test(filter, the_cache_does_not_grow_without_end)
{
	struct state s = new_state();
	char text[128], dir[96];
	int n = 0;
	DIR *d;

	for (int i = 0; i < 80; i++) {
		struct lxe_filter_how how = { .name = "x", .text = text };
		struct lxe_filter f;

		how.len = (size_t)snprintf(text, sizeof(text),
			"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": %d}", i);
		f = load_how(s.path, &how);
		lxe_filter_release(&f);
	}
	snprintf(dir, sizeof(dir), "%s/cache", s.path);
	d = opendir(dir);
	while (readdir(d))
		n++;
	closedir(d);
	cr_assert_leq(n, 64 + 1 + 2);
	end_state(&s);
}

/* Whatever is in the file's place now: the filter is compiled, and the file is good again. */
static void expect_replaced(struct state *s, const struct lxe_filter *good, const char *what)
{
	struct lxe_filter f = load(s->path);
	struct stat st;

	cr_assert_eq(f.n, good->n, "%s", what);
	expect_same(&f, good);
	lxe_filter_release(&f);
	cr_assert_eq(lstat(s->file, &st), 0, "%s: cached again", what);
	cr_assert(S_ISREG(st.st_mode), "%s", what);
	cr_assert_gt(st.st_size, (off_t)(good->n * sizeof(*good->instructions)), "%s", what);
}

Test(filter, a_corrupt_cache_is_replaced)
{
	struct state s = new_state();
	struct lxe_filter good = load(s.path);
	size_t size = 0;
	char *whole, *zeros;

	find_file(&s);
	whole = read_file(s.file, &size);
	zeros = calloc(1, size + (1 << 16));
	put(s.file, "", 0, 0600);
	expect_replaced(&s, &good, "empty");
	put(s.file, whole, size - 1, 0600);
	expect_replaced(&s, &good, "a byte short");
	put(s.file, whole, 8, 0600);
	expect_replaced(&s, &good, "its first word");
	put(s.file, zeros, size, 0600);
	expect_replaced(&s, &good, "zeros");
	put(s.file, zeros, size + (1 << 16), 0600);
	expect_replaced(&s, &good, "too long");
	/* One bit anywhere: in the header, in what it was made from, in an instruction. */
	for (size_t i = 0; i < size; i += 61) {
		whole[i] ^= 4;
		put(s.file, whole, size, 0600);
		expect_replaced(&s, &good, "one bit");
		whole[i] ^= 4;
	}
	free(whole);
	free(zeros);
	lxe_filter_release(&good);
	end_state(&s);
}

/* A name is only a hash: a file of other rules under it is not believed. */
Test(filter, a_cache_of_other_rules_is_replaced)
{
	const struct lxe_filter_how strict = { .name = "strict", .caps = lxe_caps_default() };
	struct state s = new_state(), other = new_state();
	struct lxe_filter good = load(s.path), wrong = load_how(other.path, &strict);
	size_t size = 0;
	char *whole;

	find_file(&s);
	find_file(&other);
	whole = read_file(other.file, &size);
	put(s.file, whole, size, 0600);
	expect_replaced(&s, &good, "of another profile");
	free(whole);
	lxe_filter_release(&good);
	lxe_filter_release(&wrong);
	end_state(&s);
	end_state(&other);
}

Test(filter, a_cache_that_is_not_ours_is_not_believed)
{
	struct state s = new_state();
	struct lxe_filter good = load(s.path), f;
	char other[128];

	find_file(&s);
	snprintf(other, sizeof(other), "%s/other", s.path);
	put(other, &allow, sizeof(allow), 0600);
	unlink(s.file);
	cr_assert_eq(symlink(other, s.file), 0);
	expect_replaced(&s, &good, "a symlink");
	put(s.file, &allow, sizeof(allow), 0620);
	expect_replaced(&s, &good, "the group writes it");
	put(s.file, &allow, sizeof(allow), 0602);
	expect_replaced(&s, &good, "everybody writes it");
	if (geteuid() == 0) {
		put(s.file, &allow, sizeof(allow), 0600);
		cr_assert_eq(chown(s.file, 12345, 0), 0);
		expect_replaced(&s, &good, "somebody else's");
	}
	/* Nobody writes into this one: opening it must not wait for that. */
	unlink(s.file);
	cr_assert_eq(mkfifo(s.file, 0600), 0);
	expect_replaced(&s, &good, "a pipe");
	/* What cannot be taken away is in the way of the cache only. */
	unlink(s.file);
	cr_assert_eq(mkdir(s.file, 0700), 0);
	f = load(s.path);
	expect_same(&f, &good);
	lxe_filter_release(&f);
	lxe_filter_release(&good);
	end_state(&s);
}

Test(filter, is_compiled_where_nothing_can_be_cached)
{
	struct lxe_filter f = load("/proc/lxe-test-absent");
	char path[5000];

	cr_assert_gt(f.n, 1);
	lxe_filter_release(&f);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	f = load(path);
	cr_assert_gt(f.n, 1);
	lxe_filter_release(&f);
}

/* ---- in force ---- */

static int in_child(int (*body)(const struct lxe_filter *), const struct lxe_filter *filter)
{
	int status = 0;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(body(filter));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "status %x", status);
	return WEXITSTATUS(status);
}

static long clone_with(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

static bool gives(int error, long result)
{
	return result == -1 && errno == error;
}

/* Each call in a form that fails for another reason, or works, without the filter. */
static int calls_that_are_refused(int error)
{
	static const unsigned long namespaces[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET,
		CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP,
		CLONE_NEWUSER | CLONE_FS };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), n = 0;

	n += gives(error, mount(NULL, "/lxe-absent", NULL, 0, NULL));
	n += gives(error, umount2("/lxe-absent", 0));
	n += gives(error, syscall(SYS_keyctl, 0xffff, 0, 0, 0, 0));
	n += gives(error, syscall(SYS_bpf, 0xffff, NULL, 0));
	n += gives(error, syscall(SYS_io_uring_setup, 0, NULL));
	n += gives(error, syscall(SYS_open_tree, -1, "x", 0xffffffff));
	n += gives(error, syscall(SYS_pivot_root, NULL, NULL));
	n += gives(error, syscall(SYS_setns, -1, 0));
	n += gives(error, syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 1));
	n += gives(error, ioctl(null, TIOCSTI, "x"));
	n += gives(error, ioctl(null, TIOCLINUX, "x"));
	/* The kernel looks at the lower half only. */
	n += gives(error, syscall(SYS_ioctl, null, 0xdead00000000 | TIOCSTI, "x"));
	for (size_t i = 0; i < 8; i++)
		n += gives(error, clone_with(namespaces[i]));
	for (size_t i = 0; i < 7; i++)
		n += gives(error, unshare((int)namespaces[i]));
	return n;
}

#define REFUSED_CALLS 27

static int install(const struct lxe_filter *filter)
{
	if (lxe_no_new_privs_child() < 0 || lxe_filter_child(filter) < 0)
		return -1;
	return 0;
}

static int refused_with_it(const struct lxe_filter *filter)
{
	return install(filter) < 0 ? 255 : calls_that_are_refused(EPERM);
}

static int refused_without_it(const struct lxe_filter *filter)
{
	(void)filter;
	/* All capabilities, so that it is not their lack which refuses. */
	if (unshare(CLONE_NEWUSER) < 0)
		return 255;
	return calls_that_are_refused(EPERM);
}

Test(filter, refuses_what_reaches_beyond_a_sandbox)
{
	struct lxe_filter filter = load("/proc/lxe-test-absent");

	cr_assert_eq(in_child(refused_with_it, &filter), REFUSED_CALLS);
	cr_assert_lt(in_child(refused_without_it, &filter), 6, "the calls prove something");
	lxe_filter_release(&filter);
}

static int clone3_does_not_exist(const struct lxe_filter *filter)
{
	if (gives(ENOSYS, syscall(SYS_clone3, NULL, 0)) || install(filter) < 0)
		return 1;
	return gives(ENOSYS, syscall(SYS_clone3, NULL, 0)) ? 0 : 2;
}

Test(filter, says_that_there_is_no_clone3_so_that_libc_uses_clone)
{
	struct lxe_filter filter = load("/proc/lxe-test-absent");

	cr_assert_eq(in_child(clone3_does_not_exist, &filter), 0);
	lxe_filter_release(&filter);
}

static int ordinary_calls(const struct lxe_filter *filter)
{
	int ends[2], status;
	void *p;
	pid_t pid;

	if (install(filter) < 0)
		return 1;
	if (sys_pipe(ends) < 0 || write(ends[1], "x", 1) != 1 || fcntl(ends[0], F_GETFD) < 0)
		return 2;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || munmap(p, 4096) < 0)
		return 3;
	if (ioctl(ends[0], FIONREAD, &status) < 0 || status != 1)
		return 4;
	if (clone_with(CLONE_FS | CLONE_FILES) < 0)
		return 5;
	pid = fork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(9);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 6;
}

Test(filter, lets_ordinary_calls_pass)
{
	struct lxe_filter filter = load("/proc/lxe-test-absent");

	cr_assert_eq(in_child(ordinary_calls, &filter), 0);
	lxe_filter_release(&filter);
}

static int bad_filters(const struct lxe_filter *filter)
{
	struct sock_filter zero = { 0 };
	struct lxe_filter bad = { .instructions = &zero, .n = 1 };

	(void)filter;
	if (lxe_no_new_privs_child() < 0)
		return 1;
	if (lxe_filter_child(&bad) != -EINVAL)
		return 2;
	bad.n = 0;
	return lxe_filter_child(&bad) == -EINVAL ? 0 : 3;
}

Test(filter, one_that_the_kernel_refuses_is_an_error)
{
	cr_assert_eq(in_child(bad_filters, NULL), 0);
}

/* ---- capabilities ---- */

/* Bounded and set, as before an execve by root. */
static int limit_capabilities(void)
{
	struct lxe_filter none = { 0 };
	struct lxe_confinement asked = {
		.caps = lxe_caps_default(), .root = true, .filter = &none
	};
	int r = sys_caps_bound(asked.caps);

	return r < 0 ? r : lxe_capabilities_child(&asked);
}

static int capabilities(const struct lxe_filter *filter)
{
	static const int left[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL,
		CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_NET_RAW,
		CAP_SYS_CHROOT, CAP_MKNOD, CAP_AUDIT_WRITE, CAP_SETFCAP };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t want = 0;

	(void)filter;
	/* Full sets for whoever runs this test. */
	if (unshare(CLONE_NEWUSER) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
		want |= 1ULL << left[i];
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 1 || limit_capabilities() < 0)
		return 2;
	for (int cap = 0; cap < 64; cap++) {
		int r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r >= 0 && r != (int)(want >> cap & 1))
			return 3;
		if (r >= 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) != 0)
			return 4;
	}
	if (syscall(SYS_capget, &header, data) < 0)
		return 5;
	if (data[0].effective != (uint32_t)want || data[0].permitted != (uint32_t)want)
		return 6;
	if (data[1].effective || data[1].permitted || data[0].inheritable || data[1].inheritable)
		return 7;
	/* They cannot be had back, and twice is as good as once. */
	if (!gives(EPERM, sethostname("lxe", 3)))
		return 8;
	return limit_capabilities() < 0 ? 9 : 0;
}

Test(capabilities, only_the_default_set_is_left)
{
	cr_assert_eq(in_child(capabilities, NULL), 0);
}

static int without_setpcap(const struct lxe_filter *filter)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	(void)filter;
	if (syscall(SYS_capset, &header, none) < 0)
		return 1;
	return limit_capabilities() == -EPERM ? 0 : 2;
}

Test(capabilities, what_cannot_be_dropped_is_an_error)
{
	cr_assert_eq(in_child(without_setpcap, NULL), 0);
}

static int no_new_privs(const struct lxe_filter *filter)
{
	(void)filter;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0 || lxe_no_new_privs_child() < 0)
		return 1;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
}

Test(capabilities, no_new_privs_is_in_force)
{
	cr_assert_eq(in_child(no_new_privs, NULL), 0);
}
