#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "container/build.h"
#include "container/cover.h"
#include "container/template.h"
#include "rootfs/images.h"
#include "rootfs/rootfs.h"
#include "sys/fd.h"
#include "sys/tree.h"
#include "top_fixture.h"

static bool run_lxc; /* whether the host has a /run/lxc of its own */
static struct lxe_dirs dirs;

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	must(lstat(path, &st) == 0);
	return st.st_mode & 07777;
}

/* Templates of the tree: the tests run at its top. */
static void set_up(void)
{
	umask(077);
	run_lxc = access("/run/lxc", F_OK) == 0;
	snprintf(top, sizeof(top), "/tmp/lxe-test-build-XXXXXX");
	must(mkdtemp(top) != NULL);
	snprintf(dirs.state, sizeof(dirs.state), "%s/state", top);
	must(getcwd(dirs.data, sizeof(dirs.data)) != NULL);
	must(access("lxc-templates/lxc-host", X_OK) == 0);
}

static void tear_down(void)
{
	must(sys_tree_remove(AT_FDCWD, top) == 0);
}

TestSuite(build, .init = set_up, .fini = tear_down, .timeout = 60);

/* A template of the test's own, in shell; TOP is where the test's files are. */
static void make_template(const char *name, const char *body)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(dirs.data, sizeof(dirs.data), "%s", top);
	mkdir(at("lxc-templates"), 0755);
	snprintf(path, sizeof(path), "%s", at("lxc-templates/lxc-%s", name));
	f = fopen(path, "we");
	must(f != NULL);
	fprintf(f, "#!/bin/sh\nset -eu\nTOP='%s'\n", top);
	fprintf(f, "for a; do case $a in --rootfs=*) rootfs=${a#*=} ;; esac; done\n%s\n", body);
	must(fclose(f) == 0);
	must(chmod(path, 0755) == 0);
}

static int may_go(const char *state, const char *name, struct lxe_err *err)
{
	(void)state;
	(void)name;
	(void)err;
	return 0;
}

static void build(const char *name, bool replace)
{
	struct lxe_err err = { 0 };

	must(lxe_image_build(&dirs, name, NULL, replace ? may_go : NULL, NULL, &err) == 0);
}

static unsigned int leftovers(void)
{
	DIR *d = opendir(at("state/images"));
	unsigned int n = 0;

	must(d != NULL);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] == '.' && strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}

static void expect_no_trace(void)
{
	char path[PATH_MAX];

	must(leftovers() == 0);
	snprintf(path, sizeof(path), "/run/lxc/lock%s", top);
	must(!exists(path));
	must(run_lxc || !exists("/run/lxc"));
}

static void check_modes(const char *name)
{
	must(mode_of(at("state")) == 0711);
	must(mode_of(at("state/images")) == 0711);
	must(mode_of(at("state/images/%s", name)) == 0700);
	must(mode_of(at("state/images/%s/rootfs", name)) == 0755);
	must(mode_of(at("state/images/%s/image.json", name)) == 0644);
	must(mode_of(at("state/images/%s/rootfs/tmp", name)) == 01777);
	must(mode_of(at("state/images/%s/rootfs/root", name)) == 0700);
	must(!exists(at("state/images/%s/config", name)));
}

static void expect_image(const char *name, bool host_trees)
{
	struct lxe_image image;
	struct lxe_err err = { 0 };

	must(lxe_image_open(&image, dirs.state, name, &err) == 0);
	must(image.host_trees == host_trees);
	lxe_image_release(&image);
}

static int check_record(void *arg, const struct lxe_image_info *info)
{
	must(info->complete);
	must(strcmp(info->record.name, arg) == 0);
	must(strcmp(info->record.template, arg) == 0);
	must(strlen(info->record.created_at) == strlen("2026-01-01T00:00:00Z"));
	must(info->record.size > 4096);
	return 0;
}

Test(build, host)
{
	static const char *const absent[] = { "shadow", "gshadow", "ssl/private", "ssh", "sudoers",
		"hostid", "gitconfig", "pip.conf", "npmrc", "fstab" };
	static const char *const present[] = { "passwd", "group", "hosts", "nsswitch.conf",
		"profile", "bash.bashrc", "inputrc", "os-release", "resolv.conf", "ld.so.cache",
		"alternatives", "terminfo", "login.defs", "mtab" };

	build("host", false);
	expect_image("host", true);
	check_modes("host");
	expect_no_trace();
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		must(!exists(at("state/images/host/rootfs/etc/%s", absent[i])));
	for (size_t i = 0; i < sizeof(present) / sizeof(present[0]); i++)
		must(exists(at("state/images/host/rootfs/etc/%s", present[i])));
	must(exists(at("state/images/host/rootfs/etc/ssl/certs")) == exists("/etc/ssl/certs"));
	must(lxe_image_list(dirs.state, check_record, "host", NULL) == 0);
}

Test(build, busybox)
{
	build("busybox", false);
	expect_image("busybox", false);
	check_modes("busybox");
	expect_no_trace();
	must(exists(at("state/images/busybox/rootfs/bin/sh")));
	must(lxe_image_list(dirs.state, check_record, "busybox", NULL) == 0);
}

Test(build, an_unknown_template_is_named_with_those_that_are_there)
{
	struct lxe_err err = { 0 };

	must(lxe_image_build(&dirs, "hots", NULL, NULL, NULL, &err) == -ENOENT);
	must(strcmp(err.msg,
		     "build image 'hots': find template 'lxc-hots': no such file or directory") ==
		0);
	must(strstr(err.hint, "busybox") != NULL);
	must(strstr(err.hint, "host") != NULL);
	must(!exists(at("state")));
	must(lxe_image_build(&dirs, "../x", NULL, NULL, NULL, NULL) == -EINVAL);
}

Test(build, a_template_that_fails_is_quoted_and_leaves_nothing)
{
	struct lxe_err err = { 0 };

	make_template("bad", "mkdir -p $rootfs/x\necho progress\n"
			     "printf 'first\\nno \\033[1mroom\\n\\n' >&2\nexit 3");
	must(lxe_image_build(&dirs, "bad", NULL, NULL, NULL, &err) == -EIO);
	must(strcmp(err.msg, "build image 'bad': template 'lxc-bad' failed: no \x1b[1mroom") == 0);
	must(!exists(at("state/images/bad")));
	expect_no_trace();
}

static int build_with_stdio(int stdio)
{
	if (dup2(stdio, 1) < 0 || dup2(stdio, 2) < 0)
		return 1;
	setenv("LXE_TEST_SECRET", "x", 1);
	return lxe_image_build(&dirs, "loud", NULL, NULL, NULL, NULL) < 0;
}

Test(build, output_goes_nowhere_and_the_environment_is_clean)
{
	int out = sys_memfd("out", 0), status;
	char text[128];
	pid_t pid;

	make_template("loud", "mkdir -p $rootfs\necho to stdout\necho to stderr >&2\n"
			      "exec >$TOP/said\necho secret=${LXE_TEST_SECRET-none}\ncat\n"
			      "echo umask=$(umask)\n[ -d /proc/$$ ]");
	pid = fork_child();
	if (pid == 0)
		_exit(build_with_stdio(out));
	must(waitpid(pid, &status, 0) == pid);
	must(status == 0);
	must(sys_read_file(AT_FDCWD, at("said"), text, sizeof(text)) > 0);
	must(strcmp(text, "secret=none\numask=0022\n") == 0);
	must(lseek(out, 0, SEEK_END) == 0);
}

static const char counting[] = "mkdir -p $rootfs/tmp\necho built >>$TOP/count";

static off_t count(void)
{
	struct stat st;

	return stat(at("count"), &st) == 0 ? st.st_size / (off_t)strlen("built\n") : 0;
}

Test(build, two_at_once_build_once)
{
	pid_t pids[4];
	int status;

	make_template("count", counting);
	for (size_t i = 0; i < 4; i++) {
		pids[i] = fork_child();
		if (pids[i] == 0)
			_exit(lxe_image_build(&dirs, "count", NULL, NULL, NULL, NULL) < 0);
	}
	for (size_t i = 0; i < 4; i++) {
		must(waitpid(pids[i], &status, 0) == pids[i]);
		must(status == 0);
	}
	must(count() == 1);
	expect_image("count", false);
	expect_no_trace();
}

Test(build, replace_builds_again_unless_it_is_in_use)
{
	struct lxe_err err = { 0 };
	struct lxe_image image;

	make_template("count", counting);
	build("count", false);
	build("count", false);
	must(count() == 1);
	build("count", true);
	must(count() == 2);
	must(lxe_image_open(&image, dirs.state, "count", &err) == 0);
	must(lxe_image_build(&dirs, "count", NULL, may_go, NULL, &err) == -EBUSY);
	must(strcmp(err.msg, "build image 'count': it is in use") == 0);
	must(lxe_image_build(&dirs, "count", NULL, NULL, NULL, NULL) == 0);
	lxe_image_release(&image);
	must(count() == 2);
	expect_no_trace();
}

Test(build, a_half_built_image_is_exchanged)
{
	make_template("count", counting);
	must(lxe_dirs_make(at("state/images/count/rootfs/old"), NULL) == 0);
	build("count", false);
	expect_image("count", false);
	must(!exists(at("state/images/count/rootfs/old")));
	expect_no_trace();
}

static void read_fifo(const char *name)
{
	int fd = open(at("%s", name), O_RDONLY | O_CLOEXEC);

	must(fd >= 0);
	close(fd);
}

static void write_fifo(const char *name)
{
	int fd = open(at("%s", name), O_WRONLY | O_CLOEXEC);

	must(fd >= 0);
	close(fd);
}

static void make_fifos(void)
{
	must(mkfifo(at("started"), 0600) == 0);
	must(mkfifo(at("release"), 0600) == 0);
}

/* Says that it has started, with a process besides it in a session of its own, and blocks. */
static const char slow[] = "mkdir -p $rootfs/tmp\n[ ! -e $TOP/go ] || exit 0\n"
			   "setsid sleep 1000 &\n: >$TOP/started\nread x <$TOP/release || :\n";

/* The template and all that it started hold the lock. */
static int lock_images(int how)
{
	int images = open(at("state/images"), O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	must(images >= 0);
	r = flock(images, how);
	close(images);
	return r;
}

Test(build, a_killed_builder_takes_the_template_with_it)
{
	pid_t pid;

	make_template("slow", slow);
	make_fifos();
	pid = fork_child();
	if (pid == 0)
		_exit(lxe_image_build(&dirs, "slow", NULL, NULL, NULL, NULL) < 0);
	read_fifo("started");
	must(lock_images(LOCK_EX | LOCK_NB) == -1);
	must(kill(pid, SIGKILL) == 0);
	must(waitpid(pid, NULL, 0) == pid);
	must(lock_images(LOCK_EX) == 0);
	must(!exists(at("state/images/slow")));
	must(exists(at("state/images/.build-slow/slow/rootfs/tmp")));

	close(open(at("go"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	build("slow", false);
	expect_image("slow", false);
	expect_no_trace();
}

static void note_leftover(void *arg, const char *name, const char *residue)
{
	must(strcmp(name, "gone") == 0);
	must(!residue);
	++*(int *)arg;
}

Test(build, what_builds_left_is_collected_when_nobody_builds)
{
	struct lxe_err err = { 0 };
	int images, n = 0;

	must(lxe_image_collect(dirs.state, false, note_leftover, &n, &err) == 0);
	must(lxe_dirs_make(at("state/images/.build-gone/gone/rootfs"), NULL) == 0);
	images = open(at("state/images"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(flock(images, LOCK_EX) == 0);
	must(lxe_image_collect(dirs.state, false, note_leftover, &n, &err) == 0);
	must(n == 0);
	close(images);
	must(lxe_image_collect(dirs.state, true, note_leftover, &n, &err) == 0);
	must(n == 1);
	must(exists(at("state/images/.build-gone")));
	must(lxe_image_collect(dirs.state, false, note_leftover, &n, &err) == 0);
	must(n == 2);
	expect_no_trace();
}

/* As the keeper waits: it reaps whoever has ended, and gives up when it is told to. */
static int wait_and_reap(void *arg, int fd, int timeout_ms)
{
	const int *stop = arg;
	struct pollfd polled[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = stop ? *stop : -1, .events = POLLIN },
	};
	int r = poll(polled, 2, timeout_ms);

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (polled[1].revents)
		return -ECANCELED;
	return r > 0 ? 0 : -ETIMEDOUT;
}

Test(build, a_waiter_that_reaps_every_child_changes_no_result)
{
	const struct lxe_waiter waiter = { .wait = wait_and_reap };
	struct lxe_err err = { 0 };

	make_template("good", "mkdir -p $rootfs\necho fine");
	make_template("bad", "echo no room >&2\nexit 3");
	must(lxe_image_build(&dirs, "good", NULL, NULL, &waiter, &err) == 0);
	expect_image("good", false);
	must(lxe_image_build(&dirs, "bad", NULL, NULL, &waiter, &err) == -EIO);
	must(strcmp(err.msg, "build image 'bad': template 'lxc-bad' failed: no room") == 0);
	expect_no_trace();
}

Test(build, a_build_that_is_given_up_leaves_nothing)
{
	int stop;
	const struct lxe_waiter waiter = { .wait = wait_and_reap, .arg = &stop };
	struct lxe_err err = { 0 };

	make_template("slow", slow);
	make_fifos();
	stop = open(at("started"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	must(stop >= 0);
	must(lxe_image_build(&dirs, "slow", NULL, NULL, &waiter, &err) == -ECANCELED);
	must(lock_images(LOCK_EX | LOCK_NB) == 0);
	must(!exists(at("state/images/slow")));
	expect_no_trace();
}

Test(build, waiting_for_another_build_can_be_given_up)
{
	int stop = sys_memfd("always readable", 0), images;
	const struct lxe_waiter waiter = { .wait = wait_and_reap, .arg = &stop };

	make_template("good", "mkdir -p $rootfs");
	must(lxe_dirs_make(at("state/images"), NULL) == 0);
	images = open(at("state/images"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(flock(images, LOCK_EX) == 0);
	must(lxe_image_build(&dirs, "good", NULL, NULL, &waiter, NULL) == -ECANCELED);
	close(images);
}

Test(build, what_a_template_leaves_running_ends_with_it)
{
	make_template("daemon", "mkdir -p $rootfs\nsetsid sleep 1000 &\nsleep 1000 &");
	build("daemon", false);
	must(lock_images(LOCK_EX | LOCK_NB) == 0);
	expect_image("daemon", false);
}

Test(build, a_template_has_a_deadline)
{
	char path[PATH_MAX], lxcpath[PATH_MAX];
	struct lxe_template t = {
		.path = path, .lxcpath = lxcpath, .name = "hang", .dirs = &dirs, .timeout_ms = 1000
	};
	struct lxe_err err = { 0 };

	make_template("hang", "while :; do echo on and on; done");
	snprintf(path, sizeof(path), "%s", at("lxc-templates/lxc-hang"));
	snprintf(lxcpath, sizeof(lxcpath), "%s", at("state/images"));
	must(lxe_dirs_make(lxcpath, NULL) == 0);
	t.lock = open(lxcpath, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(lxe_template_run(&t, &err) == -ETIMEDOUT);
	must(strcmp(err.msg, "template 'lxc-hang' did not end within 1 s") == 0);
	close(t.lock);
}

/* Runs go on starting on the old image while the new one is built, and keep it from being exchanged. */
Test(build, an_image_can_be_opened_while_it_is_built_again)
{
	struct lxe_err err = { 0 };
	struct lxe_image image;
	int status;
	pid_t pid;

	make_template("slow", slow);
	make_fifos();
	close(open(at("go"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	build("slow", false);
	must(unlink(at("go")) == 0);
	for (int used = 0; used < 2; used++) {
		pid = fork_child();
		if (pid == 0)
			_exit(-lxe_image_build(&dirs, "slow", NULL, may_go, NULL, NULL));
		read_fifo("started");
		must(lxe_image_open(&image, dirs.state, "slow", &err) == 0);
		if (!used)
			lxe_image_release(&image);
		write_fifo("release");
		must(waitpid(pid, &status, 0) == pid);
		must(WIFEXITED(status) && WEXITSTATUS(status) == (used ? EBUSY : 0));
	}
	lxe_image_release(&image);
	expect_image("slow", false);
	expect_no_trace();
}

/* Between its open and its lock the image was exchanged: what it has then is the new one. */
Test(build, an_exchanged_image_is_not_used)
{
	struct lxe_image image;
	struct lxe_err err = { 0 };
	int old, found[2], status;
	pid_t pid;
	char go;

	make_template("count", counting);
	build("count", false);
	old = open(at("state/images/count"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(flock(old, LOCK_EX) == 0);
	must(pipe2(found, O_CLOEXEC) == 0);
	pid = fork_child();
	if (pid == 0) {
		close(old);
		close(found[0]);
		must(write(found[1], "", 1) == 1);
		must(lxe_image_open(&image, dirs.state, "count", &err) == 0);
		must(exists(at("state/images/count/new")));
		must(fstatat(image.lock, "new", &(struct stat){ 0 }, 0) == 0);
		_exit(CHILD_PASSED);
	}
	must(read(found[0], &go, 1) == 1);
	must(lxe_dirs_make(at("state/images/.build-count/count/rootfs"), NULL) == 0);
	must(link(at("state/images/count/image.json"),
		     at("state/images/.build-count/count/image.json")) == 0);
	close(open(
		at("state/images/.build-count/count/new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	must(renameat2(AT_FDCWD, at("state/images/count"), AT_FDCWD,
		     at("state/images/.build-count/count"), RENAME_EXCHANGE) == 0);
	close(old);
	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_PASSED);
	must(sys_tree_remove(AT_FDCWD, at("state/images/.build-count")) == 0);
}

static void check_cover(void)
{
	const char *keep[] = { "/tmp", "/run/lxe-test/state", "/run/lxe-none" };
	struct lxe_err err = { 0 };

	must(lxe_rootfs_unshare(&err) == 0);
	must(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0);
	must(mkdir("/run/lxe-test", 0755) == 0);
	must(mkdir("/run/lxe-test/state", 0755) == 0);
	must(mkdir("/run/lxe-test/state/x", 0755) == 0);
	must(mkdir("/run/lxe-other", 0755) == 0);
	must(lxe_cover_run(keep, 3, &err) == 0);
	must(exists("/run/lxe-test/state/x"));
	must(!exists("/run/lxe-other"));
	must(!exists("/run/lxe-none"));
	must(mkdir("/run/lxc", 0755) == 0);
	must(mkdir("/run/lxe-test/state/y", 0755) == 0);
	must(mkdir("/run/lxc/lock", 0755) == 0);
	must(lxe_cover_run(keep, 3, &err) == 0);
	must(!exists("/run/lxc/lock"));
	must(exists("/run/lxe-test/state/y"));
}

Test(build, a_covered_run_keeps_what_is_asked_for)
{
	in_child(check_cover);
	must(!exists("/run/lxe-test"));
}
