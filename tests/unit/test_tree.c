#include "sys/tree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int new_dir(char path[64])
{
	int fd;

	snprintf(path, 64, "/tmp/lxe-test-tree-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static void touch(int at, const char *name)
{
	close(openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static bool exists(int at, const char *name)
{
	return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

Test(tree, is_removed_and_what_its_symlinks_point_to_is_not)
{
	char path[64];
	int at = new_dir(path);
	uint64_t size = 77;

	cr_assert_geq(at, 0);
	mkdirat(at, "out", 0700);
	touch(at, "out/kept");
	mkdirat(at, "t", 0700);
	mkdirat(at, "t/sub", 0700);
	touch(at, "t/sub/f");
	cr_assert_eq(symlinkat("../out", at, "t/link"), 0);
	cr_assert_eq(symlinkat("/", at, "t/root"), 0);
	cr_assert_eq(sys_tree_size(at, "t", &size), 0);
	cr_assert_neq(size, 77);
	cr_assert_eq(sys_tree_remove(at, "t"), 0);
	cr_assert_not(exists(at, "t"));
	cr_assert(exists(at, "out/kept"));
	cr_assert_eq(sys_tree_remove(at, "t"), 0, "absent is success");
	cr_assert_eq(sys_tree_size(at, "t", &size), -ENOENT);
	/* A name that is a symlink is the symlink. */
	cr_assert_eq(symlinkat("out", at, "l"), 0);
	cr_assert_eq(sys_tree_remove(at, "l"), 0);
	cr_assert(exists(at, "out/kept"));
	cr_assert_eq(sys_tree_remove(AT_FDCWD, path), 0);
	close(at);
}

/* Whoever has filled a directory has not made it ours for ever. */
Test(tree, too_deep_is_no_crash_and_can_be_removed)
{
	uint64_t size;
	char path[64];
	int at = new_dir(path), deep = dup(at), next;

	for (int i = 0; i < 3 * SYS_TREE_DEPTH_MAX; i++) {
		cr_assert_eq(mkdirat(deep, "d", 0700), 0);
		next = openat(deep, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cr_assert_geq(next, 0);
		close(deep);
		deep = next;
	}
	close(deep);
	cr_assert_eq(sys_tree_size(at, "d", &size), -ELOOP);
	cr_assert_eq(sys_tree_remove(at, "d"), 0);
	cr_assert_eq(faccessat(at, "d", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	cr_assert_eq(sys_tree_remove(AT_FDCWD, path), 0);
	close(at);
}

/* In a mount namespace of its own: a bind mount of the tree's own filesystem, inside the tree. */
static int remove_below_a_bind_mount(int at)
{
	/* The working directory goes into the new namespace, a descriptor does not. */
	if (fchdir(at) < 0 ||
		unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return 1;
	at = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 2;
	if (mount("out", "t/b", NULL, MS_BIND, NULL) < 0 || !exists(at, "t/b/kept"))
		return 3;
	if (sys_tree_remove(at, "t") != -EXDEV)
		return 4;
	return exists(at, "out/kept") && !exists(at, "t/gone") ? 0 : 5;
}

Test(tree, what_is_mounted_in_it_is_left_alone_also_from_the_same_filesystem)
{
	char path[64];
	int at = new_dir(path), status = -1;
	pid_t pid;

	mkdirat(at, "out", 0700);
	touch(at, "out/kept");
	mkdirat(at, "t", 0700);
	mkdirat(at, "t/b", 0700);
	touch(at, "t/gone");
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(remove_below_a_bind_mount(at));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
	cr_assert_eq(sys_tree_remove(AT_FDCWD, path), 0);
	close(at);
}
