#include "sys/stamp.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 500

static int file(const char *top)
{
	int fd = open(top, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	return fd;
}

/* Looked at in between, as whoever edits and lists files does. */
static struct timespec change(int fd)
{
	struct stat st;

	cr_assert_eq(fchmod(fd, 0600), 0);
	cr_assert_eq(fstat(fd, &st), 0);
	return st.st_ctim;
}

static bool before(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

static void check_between(const char *files, const char *own)
{
	int fd = file(files), ours = file(own);

	for (int i = 0; i < ROUNDS; i++) {
		struct timespec first = change(fd), now, second;

		cr_assert_eq(sys_stamp(ours, &now), 0);
		second = change(fd);
		cr_assert(before(first, now), "before, round %d", i);
		cr_assert_not(before(second, now), "after, round %d", i);
	}
	close(fd);
	close(ours);
}

Test(stamp, is_between_what_was_changed_before_and_what_is_after)
{
	check_between("/var/tmp", "/var/tmp");
}

Test(stamp, on_another_file_system_too)
{
	check_between("/var/tmp", "/dev/shm");
	check_between("/dev/shm", "/var/tmp");
}

/* As all file systems were before Linux 6.13. */
Test(stamp, where_stamps_are_coarse)
{
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount("ramfs", "/mnt", "ramfs", 0, NULL), 0);
	check_between("/mnt", "/mnt");
}
