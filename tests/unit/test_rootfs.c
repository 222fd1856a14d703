#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "rootfs/hosttrees.h"
#include "rootfs/images.h"
#include "rootfs/rootfs.h"
#include "store/imagedir.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/tree.h"
#include "sys/userns.h"
#include "top_fixture.h"

#define ROOT 1879048192u /* on the host, of root inside */

static const struct lxe_idmap map = { .host_start = ROOT, .count = 65536 };

static void dir(const char *path, mode_t mode)
{
	must(mkdir(path, mode) == 0);
	must(chmod(path, mode) == 0);
}

static void file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	must(f != NULL);
	fputs(text, f);
	must(fclose(f) == 0);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void set_up(void)
{
	umask(077); /* nothing may depend on it */
	snprintf(top, sizeof(top), "/tmp/lxe-test-rootfs-XXXXXX");
	must(mkdtemp(top) != NULL);
	chmod(top, 0711);
	dir(at("state"), 0711);
	dir(at("state/images"), 0711);
	dir(at("box"), 0711);
}

static void tear_down(void)
{
	must(sys_tree_remove(AT_FDCWD, top) == 0);
}

TestSuite(rootfs, .init = set_up, .fini = tear_down, .timeout = 30);

static void make_image(const char *name, bool host_trees, bool record)
{
	static const char *const dirs[] = { "", "/etc", "/etc/d", "/etc/alternatives", "/usr",
		"/opt", "/tmp", "/root", "/lib64" };
	struct lxe_image_record info = { .host_trees = host_trees, .size = 1 };
	int fd;

	dir(at("state/images/%s", name), 0755);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		dir(at("state/images/%s/rootfs%s", name, dirs[i]), 0755);
	file(at("state/images/%s/rootfs/etc/d/f", name), "lower");
	file(at("state/images/%s/rootfs/etc/ld.so.cache", name), "");
	must(symlink("usr/bin", at("state/images/%s/rootfs/bin", name)) == 0);
	if (!record)
		return;
	snprintf(info.name, sizeof(info.name), "%s", name);
	snprintf(info.template, sizeof(info.template), "none");
	snprintf(info.created_at, sizeof(info.created_at), "2026-01-01T00:00:00Z");
	fd = open(at("state/images/%s", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(lxe_image_record_write(&info, fd) == 0);
	close(fd);
}

static void open_image(struct lxe_image *image, const char *name)
{
	struct lxe_err err = { 0 };

	must(lxe_image_open(image, at("state"), name, &err) == 0);
}

/* Descriptors first, namespace second: as a keeper has them. */
static void mount_box(struct lxe_image *image)
{
	struct lxe_err err = { 0 };

	must(lxe_image_take(image, &err) == 0);
	must(lxe_rootfs_unshare(&err) == 0);
	must(lxe_rootfs_mount(image, at("box"), &map, NULL, 0, &err) == 0);
}

static void mount_mini(void)
{
	struct lxe_image image;

	open_image(&image, "mini");
	mount_box(&image);
	lxe_image_release(&image);
}

static void check_owners(void)
{
	static const char *const names[] = { "", "/etc", "/etc/d", "/etc/d/f", "/bin" };
	struct stat st;

	mount_mini();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		must(lstat(at("box/m%s", names[i]), &st) == 0);
		must(st.st_uid == ROOT);
		must(st.st_gid == ROOT);
	}
	must(stat(at("box/m"), &st) == 0);
	must((st.st_mode & 07777) == 0755);
}

Test(rootfs, files_belong_to_the_mapped_root)
{
	make_image("mini", false, true);
	in_child(check_owners);
}

static void become_mapped_root(void)
{
	must(setresgid(ROOT, ROOT, ROOT) == 0);
	must(setresuid(ROOT, ROOT, ROOT) == 0);
}

/* The second half needs whiteouts and opaque directories to work without privileges. */
static void check_writable(void)
{
	char text[16];

	mount_mini();
	become_mapped_root();
	file(at("box/m/new"), "x");
	file(at("box/m/etc/d/f"), "upper");
	must(sys_read_file(AT_FDCWD, at("box/m/etc/d/f"), text, sizeof(text)) == 5);
	must(unlink(at("box/m/etc/d/f")) == 0);
	must(rmdir(at("box/m/etc/d")) == 0);
	dir(at("box/m/etc/d"), 0755);
	must(!exists(at("box/m/etc/d/f")));
}

Test(rootfs, the_mapped_root_writes_and_the_image_stays)
{
	char text[16];

	make_image("mini", false, true);
	in_child(check_writable);
	must(sys_read_file(AT_FDCWD, at("state/images/mini/rootfs/etc/d/f"), text, sizeof(text)) ==
		5);
	must(strcmp(text, "lower") == 0);
	must(!exists(at("state/images/mini/rootfs/new")));
}

static void check_options(void)
{
	char line[4096], point[PATH_MAX];
	unsigned int found = 0;
	FILE *f;

	mount_mini();
	snprintf(point, sizeof(point), " %s/box/m ", top);
	f = fopen("/proc/self/mountinfo", "re");
	must(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		char *after = strstr(line, point);

		if (!after)
			continue;
		found++;
		must(strstr(after + strlen(point), top) == NULL);
		must(strstr(after, "lowerdir=l,upperdir=rw/u,workdir=rw/w") != NULL);
	}
	fclose(f);
	must(found == 1);
}

Test(rootfs, no_path_of_the_host_shows_in_the_options)
{
	make_image("mini", false, true);
	in_child(check_options);
}

static void read_mounts(char *buf, size_t size)
{
	must(sys_read_file(AT_FDCWD, "/proc/self/mountinfo", buf, size) > 0);
}

static void stay_where_we_are(void)
{
	char before[PATH_MAX], after[PATH_MAX];

	must(getcwd(before, sizeof(before)) != NULL);
	mount_mini();
	must(getcwd(after, sizeof(after)) != NULL);
	must(strcmp(before, after) == 0);
}

Test(rootfs, the_host_sees_no_mount_and_the_working_directory_stays)
{
	static char before[262144], after[262144];

	make_image("mini", false, true);
	read_mounts(before, sizeof(before));
	in_child(stay_where_we_are);
	read_mounts(after, sizeof(after));
	must(strcmp(before, after) == 0);
	must(rmdir(at("box/m")) == 0);
	must(rmdir(at("box/l")) == 0);
	must(rmdir(at("box/rw")) == 0);
}

static void check_host_trees(void)
{
	struct stat st;

	mount_mini();
	must(exists(at("box/m/usr/bin/env")));
	must(stat(at("box/m/usr"), &st) == 0);
	must(st.st_uid == ROOT);
	must(stat(at("box/m/tmp"), &st) == 0);
	must((st.st_mode & 07777) == 01777);
	must(st.st_uid == ROOT);
	must(stat(at("box/m/root"), &st) == 0);
	must((st.st_mode & 07777) == 0700);
	must(st.st_uid == ROOT);
	must((stat(at("box/m/etc/ld.so.cache"), &st) == 0 ? st.st_size : 0) > 0);
	must(open(at("box/m/usr/lxe-new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) == -1);
	must(errno == EROFS);
	must(open(at("box/m/opt/lxe-new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) == -1);
	must(errno == EROFS);
	become_mapped_root();
	must(open(at("box/m/usr/lxe-new"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) == -1);
	must(errno == EROFS);
	file(at("box/m/tmp/new"), "x");
	file(at("box/m/root/new"), "x");
	file(at("box/m/etc/new"), "x");
}

Test(rootfs, a_host_image_shows_the_hosts_trees_read_only)
{
	make_image("mini", true, true);
	in_child(check_host_trees);
}

static void make_fake_host(void)
{
	dir(at("host"), 0755);
	dir(at("host/usr"), 0755);
	dir(at("host/usr/bin"), 0755);
	dir(at("host/usr/sub"), 0755);
	dir(at("host/etc"), 0755);
	dir(at("host/etc/alternatives"), 0755);
	file(at("host/etc/shadow"), "secret");
	dir(at("host/home"), 0755);
	dir(at("host/lib64"), 0755);
	dir(at("host/usr/local"), 0755);
	file(at("host/usr/local/private"), "x"); /* 0600 by our umask */
	dir(at("host/opt"), 0755);
	file(at("host/opt/private"), "x");
	file(at("host/usr/bin/private"), "x");
	file(at("host/lib64/ld.so"), "x");
	must(symlink("usr/bin", at("host/bin")) == 0);
}

static int mount_fake(struct lxe_err *err)
{
	int userns = sys_userns_mapped(ROOT, 65536);

	must(userns >= 0);
	dir(at("fresh"), 0711);
	dir(at("fresh/tmp"), 01777);
	dir(at("fresh/root"), 0700);
	return lxe_host_trees_mount(
		at("host"), at("state/images/mini/rootfs"), at("fresh"), userns, err);
}

static void check_fake_trees(void)
{
	struct lxe_err err = { 0 };

	must(lxe_rootfs_unshare(&err) == 0);
	must(mount("tmpfs", at("host/usr/sub"), "tmpfs", 0, "") == 0);
	file(at("host/usr/sub/inside"), "x");
	must(mount_fake(&err) == 0);
	must(exists(at("state/images/mini/rootfs/lib64/ld.so")));
	must(exists(at("state/images/mini/rootfs/usr/sub/inside")));
	must(open(at("state/images/mini/rootfs/usr/sub/new"), O_CREAT | O_WRONLY | O_CLOEXEC,
		     0600) == -1);
	must(errno == EROFS);
	must(!exists(at("state/images/mini/rootfs/etc/shadow")));
	must(!exists(at("state/images/mini/rootfs/home")));
	must(exists(at("state/images/mini/rootfs/opt/private")));
	must(exists(at("state/images/mini/rootfs/usr/local/private")));
	/* What the host mounts from now on is none of the sandbox's. */
	must(mount("tmpfs", at("host/usr/bin"), "tmpfs", 0, "") == 0);
	file(at("host/usr/bin/late"), "x");
	must(!exists(at("state/images/mini/rootfs/usr/bin/late")));
}

Test(rootfs, submounts_come_along_read_only_and_absent_trees_are_left_out)
{
	make_image("mini", true, true);
	make_fake_host();
	in_child(check_fake_trees);
}

static int open_as_mapped_root(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void check_private(void)
{
	struct lxe_err err = { 0 };

	must(lxe_rootfs_unshare(&err) == 0);
	must(mount_fake(&err) == 0);
	become_mapped_root();
	must(open_as_mapped_root(at("state/images/mini/rootfs/usr/bin/private")) >= 0);
	must(open_as_mapped_root(at("state/images/mini/rootfs/opt/private")) == -EACCES);
	must(open_as_mapped_root(at("state/images/mini/rootfs/usr/local/private")) == -EACCES);
}

Test(rootfs, private_files_of_the_administrator_stay_private)
{
	make_image("mini", true, true);
	make_fake_host();
	in_child(check_private);
}

/* An overlay cannot be mounted with shifted owners. */
static void overlay_over(const char *path)
{
	char options[PATH_MAX];

	dir(at("upper"), 0755);
	dir(at("work"), 0755);
	must(mount("tmpfs", at("upper"), "tmpfs", 0, "") == 0);
	dir(at("upper/u"), 0755);
	dir(at("upper/w"), 0755);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", path,
		at("upper/u"), at("upper/w"));
	must(mount("overlay", path, "overlay", 0, options) == 0);
}

static void check_image_on_overlay(void)
{
	struct lxe_err err = { 0 };
	struct lxe_image image;

	must(lxe_rootfs_unshare(&err) == 0);
	overlay_over(at("state"));
	open_image(&image, "mini");
	must(lxe_image_take(&image, &err) == 0);
	must(lxe_rootfs_mount(&image, at("box"), &map, NULL, 0, &err) < 0);
	must(strcmp(err.msg,
		     "mount the root filesystem from image 'mini': the filesystem 'overlay' of the "
		     "images cannot be mounted with shifted owners") == 0);
	must(strstr(err.hint, "LXC_EXEC_STATE_DIR") != NULL);
	lxe_image_release(&image);
}

static void check_host_on_overlay(void)
{
	struct lxe_err err = { 0 };

	must(lxe_rootfs_unshare(&err) == 0);
	overlay_over(at("host"));
	must(mount_fake(&err) < 0);
	must(strcmp(err.msg,
		     "the filesystem 'overlay' of '/usr' cannot be mounted with shifted owners") ==
		0);
	must(strstr(err.hint, "--image busybox") != NULL);
}

Test(rootfs, a_filesystem_that_cannot_be_shifted_is_named)
{
	make_image("mini", true, true);
	make_fake_host();
	in_child(check_image_on_overlay);
	must(rmdir(at("upper")) == 0);
	must(rmdir(at("work")) == 0);
	in_child(check_host_on_overlay);
}

static void check_planted(void)
{
	struct lxe_err err = { 0 };

	must(lxe_rootfs_unshare(&err) == 0);
	must(mount_fake(&err) == 0);
	must(!exists(at("planted/lib64/ld.so")));
	must(!exists(at("planted/bin")));
}

Test(rootfs, a_planted_symlink_leads_no_mount_astray)
{
	make_image("mini", true, true);
	make_fake_host();
	dir(at("planted"), 0755);
	dir(at("planted/lib64"), 0755);
	must(rmdir(at("state/images/mini/rootfs/lib64")) == 0);
	must(symlink(at("planted/lib64"), at("state/images/mini/rootfs/lib64")) == 0);
	must(rmdir(at("state/images/mini/rootfs/usr")) == 0);
	must(symlink(at("planted"), at("state/images/mini/rootfs/usr")) == 0);
	in_child(check_planted);
}

Test(rootfs, the_namespace_behind_a_mount_leaves_no_child_and_no_signal)
{
	sigset_t chld, pending;
	int fd, other = fork_child(), status;

	if (other == 0)
		_exit(7);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	fd = sys_userns_mapped(ROOT, 65536);
	must(fd >= 0);
	must(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	/* The other child is still ours to reap. */
	must(waitpid(other, &status, 0) == other);
	must(WEXITSTATUS(status) == 7);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	fd = sys_userns_mapped(ROOT, 65536);
	close(fd);
	sigpending(&pending);
	must(!sigismember(&pending, SIGCHLD));
	must(waitpid(-1, &status, __WALL | WNOHANG) == -1);
	must(errno == ECHILD);
}

Test(images, a_missing_one_is_named_with_those_that_are_there, .init = set_up, .fini = tear_down)
{
	struct lxe_err err = { 0 };
	struct lxe_image image = { .lock = -EBADF };

	make_image("one", false, true);
	make_image("two", false, true);
	make_image("half", false, false);
	must(lxe_image_open(&image, at("state"), "none", &err) == -ENOENT);
	must(strcmp(err.msg, "open image 'none': no such file or directory") == 0);
	must(strstr(err.hint, "there is one, two") != NULL);
	must(image.lock == -EBADF);
}

Test(images, a_half_built_one_is_refused, .init = set_up, .fini = tear_down)
{
	struct lxe_err err = { 0 }, again = { 0 };
	struct lxe_image image;

	make_image("half", false, false);
	must(lxe_image_open(&image, at("state"), "half", &err) == -EUCLEAN);
	must(strcmp(err.msg, "image 'half' is incomplete") == 0);
	must(strstr(err.hint, "image rm half") != NULL);
	file(at("state/images/half/image.json"), "");
	must(lxe_image_open(&image, at("state"), "half", &again) == -EUCLEAN);
}

Test(images, names_are_checked, .init = set_up, .fini = tear_down)
{
	static const char *const bad[] = { "", ".", "..", ".x", "-x", "a/b", "../images/mini",
		"a b", "a\n", "\xff",
		"0123456789012345678901234567890123456789012345678901234567890123456789" };
	struct lxe_image image;

	make_image("mini", false, true);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lxe_err err = { 0 };

		must(lxe_image_open(&image, at("state"), bad[i], &err) == -EINVAL);
		must(lxe_image_remove(at("state"), bad[i], &err) == -EINVAL);
		must(strstr(err.msg, "is no name of an image") != NULL);
	}
}

Test(images, one_in_use_cannot_be_removed, .init = set_up, .fini = tear_down)
{
	struct lxe_err err = { 0 };
	struct lxe_image image, second;

	make_image("mini", true, true);
	open_image(&image, "mini");
	open_image(&second, "mini");
	must(image.host_trees);
	must(lxe_image_remove(at("state"), "mini", &err) == -EBUSY);
	must(strcmp(err.msg, "image 'mini' is in use") == 0);
	lxe_image_release(&image);
	must(lxe_image_remove(at("state"), "mini", NULL) == -EBUSY);
	must(exists(at("state/images/mini/image.json")));
	lxe_image_release(&second);
	lxe_image_release(&second);
	must(lxe_image_remove(at("state"), "mini", NULL) == 0);
	must(!exists(at("state/images/mini")));
	must(lxe_image_remove(at("state"), "mini", NULL) == -ENOENT);
}

/* In another process, which may open it before it is gone or wait until it is. */
static pid_t open_elsewhere(int fd)
{
	struct lxe_image image;
	pid_t pid = fork_child();

	if (pid > 0)
		return pid;
	close(fd);
	_exit(-lxe_image_open(&image, at("state"), "mini", NULL));
}

Test(images, one_being_removed_is_waited_for, .init = set_up, .fini = tear_down, .timeout = 60)
{
	int fd, status;
	pid_t pid;

	make_image("mini", false, true);
	fd = open(at("state/images/mini"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(flock(fd, LOCK_EX | LOCK_NB) == 0);
	pid = open_elsewhere(fd);
	must(sys_tree_remove(AT_FDCWD, at("state/images/mini")) == 0);
	close(fd);
	must(waitpid(pid, &status, 0) == pid);
	must(WIFEXITED(status) && WEXITSTATUS(status) == ENOENT);
}

static int collect(void *arg, const struct lxe_image_info *info)
{
	char *text = arg;
	size_t used = strlen(text);

	snprintf(text + used, 256 - used, "%s%s%s ", info->name, info->complete ? "" : "(half)",
		info->in_use ? "(used)" : "");
	return 0;
}

Test(images, the_list_is_sorted_and_tells_states, .init = set_up, .fini = tear_down)
{
	struct lxe_image image;
	char text[256] = "";

	make_image("zeta", false, true);
	make_image("half", false, false);
	make_image("alpha", false, true);
	make_image("bad", false, false);
	file(at("state/images/bad/image.json"), "{\"name\":");
	dir(at("state/images/.build-x"), 0755);
	file(at("state/images/note"), "x");
	open_image(&image, "zeta");
	must(lxe_image_list(at("state"), collect, text, NULL) == 0);
	must(strcmp(text, "alpha bad(half) half(half) zeta(used) ") == 0);
	lxe_image_release(&image);
	text[0] = '\0';
	must(lxe_image_list(at("nowhere"), collect, text, NULL) == 0);
	must(strcmp(text, "") == 0);
}

Test(tree, removal_follows_no_symlink, .init = set_up, .fini = tear_down)
{
	dir(at("tree"), 0755);
	dir(at("tree/sub"), 0);
	dir(at("outside"), 0755);
	file(at("outside/precious"), "x");
	must(symlink(at("outside"), at("tree/sub/link")) == 0);
	must(symlink("../outside/precious", at("tree/file")) == 0);
	must(symlink(at("tree"), at("alias")) == 0);
	must(sys_tree_remove(AT_FDCWD, at("tree")) == 0);
	must(sys_tree_remove(AT_FDCWD, at("tree")) == 0);
	must(!exists(at("tree")));
	must(exists(at("outside/precious")));
	dir(at("tree"), 0755);
	must(sys_tree_remove(AT_FDCWD, at("alias")) == 0);
	must(exists(at("tree")));
}

static void check_mounted_tree(void)
{
	struct lxe_err err = { 0 };

	must(lxe_rootfs_unshare(&err) == 0);
	dir(at("tree"), 0755);
	dir(at("tree/a"), 0755);
	dir(at("tree/b"), 0755);
	must(mount("tmpfs", at("tree/a"), "tmpfs", 0, "") == 0);
	file(at("tree/a/precious"), "x");
	must(sys_tree_remove(AT_FDCWD, at("tree")) == -EXDEV);
	must(exists(at("tree/a/precious")));
	must(!exists(at("tree/b")));
}

Test(tree, removal_stays_on_its_filesystem, .init = set_up, .fini = tear_down)
{
	in_child(check_mounted_tree);
}

Test(tree, too_deep_is_an_error_and_not_a_crash, .init = set_up, .fini = tear_down)
{
	uint64_t size = 0;
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < SYS_TREE_DEPTH_MAX + 10; i++) {
		int below;

		must(mkdirat(fd, "d", 0755) == 0);
		below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = below;
	}
	close(fd);
	must(sys_tree_size(AT_FDCWD, at("d"), &size) == -ELOOP);
	/* Whoever has made it must not be able to leave it there. */
	must(sys_tree_remove(AT_FDCWD, at("d")) == 0);
	must(access(at("d"), F_OK) < 0 && errno == ENOENT);
}

Test(tree, size_counts_what_is_on_disk, .init = set_up, .fini = tear_down)
{
	uint64_t size = 0;

	dir(at("tree"), 0755);
	file(at("tree/f"), "x");
	must(sys_tree_size(AT_FDCWD, at("tree"), &size) == 0);
	must(size > 0);
	must(sys_tree_size(AT_FDCWD, at("none"), &size) == -ENOENT);
}
