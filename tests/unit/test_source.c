#include "client/source.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"

static char dir[] = "/tmp/lxe-test-XXXXXX", fifo[64];

static void make_fifo(void)
{
	cr_assert_not_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
}

static void remove_fifo(void)
{
	unlink(fifo);
	rmdir(dir);
}

TestSuite(source, .init = make_fifo, .fini = remove_fifo, .timeout = 20);

/* Opening it as any file would wait, and reading it without would find it empty. */
Test(source, a_fifo_without_a_writer_has_its_time)
{
	int fd = lxe_source_open(fifo), writer;
	char got[16];

	cr_assert_geq(fd, 0);
	cr_assert_eq(lxe_source_read(fd, got, sizeof(got), 20), -ETIMEDOUT);
	writer = open(fifo, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(writer, "abc", 3), 3);
	cr_assert_eq(lxe_source_read(fd, got, sizeof(got), 20), -ETIMEDOUT, "it may write more");
	cr_assert_eq(write(writer, "def", 3), 3);
	close(writer);
	cr_assert_eq(lxe_source_read(fd, got, sizeof(got), 20), 3);
	cr_assert_eq(memcmp(got, "def", 3), 0);
	close(fd);
}

Test(source, whatever_it_is_is_read_to_its_end)
{
	char got[16];
	int ends[2], file = sys_memfd("lxe-test", 10);

	cr_assert_eq(lxe_source_read(file, got, sizeof(got), 0), 10);
	cr_assert_eq(lxe_source_read(file, got, sizeof(got), 0), 0);
	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(write(ends[1], "0123456789012345678", 19), 19);
	cr_assert_eq(
		lxe_source_read(ends[0], got, sizeof(got), 0), 16, "no more than there is room");
	close(ends[1]);
	cr_assert_eq(lxe_source_read(ends[0], got, sizeof(got), 0), 3);
	cr_assert_eq(lxe_source_read(999, got, sizeof(got), 0), -EBADF);
	cr_assert_eq(lxe_source_open("/nonexistent"), -ENOENT);
	close(file);
	close(ends[0]);
}
