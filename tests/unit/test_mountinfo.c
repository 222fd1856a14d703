#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sys/mountinfo.h"

Test(mountinfo, lines_as_the_kernel_writes_them)
{
	struct sys_mounts m;

	cr_assert_eq(sys_mounts_parse(&m, strdup("36 35 98:7 /a\\040b /c\\012d\\134 rw,noatime "
						 "master:1 shared:2 - ext3 /dev/root rw\n"
						 "no line\n"
						 "1 2 x:7 / / rw - ext3 a b\n"
						 "37 35 0:5 / /proc rw - proc proc rw\n"
						 "38 35 0:6 / /x rw")),
		0);
	cr_assert_eq(m.n, 2);
	cr_assert_eq(m.v[0].id, 36);
	cr_assert_eq(m.v[0].dev, makedev(98, 7));
	cr_assert_str_eq(m.v[0].root, "/a b");
	cr_assert_str_eq(m.v[0].point, "/c\nd\\");
	cr_assert_str_eq(m.v[0].type, "ext3");
	cr_assert_str_eq(m.v[1].type, "proc");
	sys_mounts_release(&m);
	cr_assert_eq(m.n, 0);
}

Test(mountinfo, what_is_below)
{
	cr_assert_str_eq(sys_path_below("/a/b", "/a"), "/b");
	cr_assert_str_eq(sys_path_below("/a", "/a"), "");
	cr_assert_str_eq(sys_path_below("/a", "/"), "/a");
	cr_assert_str_eq(sys_path_below("/", "/"), "");
	cr_assert_str_eq(sys_path_below("/a/b", "/a//"), "/b");
	cr_assert_str_eq(sys_path_below("/a", "/a/"), "");
	cr_assert_null(sys_path_below("/ab", "/a"));
	cr_assert_null(sys_path_below("/ab", "/a/"));
	cr_assert_null(sys_path_below("/", "/a"));
}

Test(mountinfo, an_open_object_is_found_in_its_filesystem)
{
	char path[] = "/tmp/lxe-mountinfo-XXXXXX";
	struct sys_mounts m;
	struct sys_object at;
	struct stat st;
	int fd;

	cr_assert(mkdtemp(path));
	fd = open(path, O_PATH | O_CLOEXEC);
	cr_assert_eq(sys_mounts_read(&m), 0);
	cr_assert_eq(sys_mounts_locate(&m, fd, &at), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(at.dev, st.st_dev);
	cr_assert_not_null(strstr(at.path, strrchr(path, '/')));
	cr_assert_eq(rmdir(path), 0);
	cr_assert_lt(sys_mounts_locate(&m, fd, &at), 0);
	close(fd);
	sys_mounts_release(&m);
}
