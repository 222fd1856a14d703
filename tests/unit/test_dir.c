#include "sys/dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/tree.h"

static int count(int fd, int *r)
{
	SYS_AUTODIR DIR *dir = sys_dir_read(fd, r);
	int n = 0;

	while (sys_dir_next(dir, r))
		n++;
	return n;
}

Test(dir, a_stream_has_no_dots_and_carries_what_fails)
{
	char path[] = "/var/tmp/lxe-test-dir-XXXXXX";
	int fd, r = 0;

	cr_assert_not_null(mkdtemp(path));
	fd = sys_open_dir(AT_FDCWD, path);
	cr_assert_eq(count(dup(fd), &r), 0);
	cr_assert_eq(mkdirat(fd, "...", 0700), 0);
	cr_assert_eq(mkdirat(fd, "b", 0700), 0);
	cr_assert_eq(symlinkat("b", fd, "link"), 0);
	cr_assert_eq(count(sys_open_dir(fd, "."), &r), 3);
	cr_assert_eq(r, 0);
	cr_assert_eq(count(sys_open_dir(fd, "none"), &r), 0);
	cr_assert_eq(r, -ENOENT);
	cr_assert_eq(count(sys_open_dir(fd, "."), &r), 0, "an earlier failure ends it");
	r = 0;
	count(sys_open_dir(fd, "link"), &r);
	cr_assert_eq(r, -ENOTDIR);
	sys_tree_remove(AT_FDCWD, path);
	r = 0;
	cr_assert_eq(count(fd, &r), 0, "one that is gone is empty");
	cr_assert_eq(r, 0);
}

Test(dir, what_a_descriptor_refers_to_has_a_path_and_is_opened_again)
{
	char dir[] = "/var/tmp/lxe-test-dir-XXXXXX", path[PATH_MAX], expected[PATH_MAX];
	int at, fd, again;

	cr_assert_not_null(mkdtemp(dir));
	at = sys_open_dir(AT_FDCWD, dir);
	fd = openat(at, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "x", 1), 1);
	cr_assert_eq(sys_link_fd(fd, at, "a"), 0);
	cr_assert_eq(sys_link_fd(fd, at, "a"), -EEXIST);
	again = sys_reopen(fd, O_RDONLY);
	cr_assert_geq(again, 0);
	cr_assert_eq(fcntl(again, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(read(again, path, 1), 1);
	close(again);
	again = openat(at, "a", O_PATH | O_CLOEXEC);
	snprintf(expected, sizeof(expected), "%s/a", dir);
	cr_assert_eq(sys_fd_path(again, path, sizeof(path)), 0);
	cr_assert_str_eq(path, expected);
	cr_assert_eq(sys_fd_path(again, path, strlen(expected) + 1), 0);
	cr_assert_eq(sys_fd_path(again, path, strlen(expected)), -ENAMETOOLONG);
	close(again);
	cr_assert_eq(sys_fd_path(again, path, sizeof(path)), -ENOENT);
	cr_assert_eq(sys_reopen(again, O_RDONLY), -ENOENT);
	close(fd);
	close(at);
	sys_tree_remove(AT_FDCWD, dir);
}
