#include "sys/fd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <unistd.h>

#include "random.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Runs in a child, because it closes what the test program needs; its status is the answer. */
static int in_child(int (*body)(uint64_t), uint64_t arg)
{
	int status = 0;
	pid_t pid;

	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(body(arg));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define FIRST 20
#define SPAN 24

/* Each number of the span is open or not, kept or not, by chance. */
static int close_at_random(uint64_t seed)
{
	int keep[SPAN + 2], first = FIRST + (int)rnd_below(&seed, 6);
	bool opened[SPAN] = { 0 }, kept[SPAN] = { 0 };
	size_t n = 0;

	if (rnd_below(&seed, 2))
		keep[n++] = -EBADF;
	for (int i = 0; i < SPAN; i++) {
		close(FIRST + i);
		opened[i] = rnd_below(&seed, 3) && dup2(0, FIRST + i) >= 0;
		kept[i] = rnd_below(&seed, 3) == 0;
		if (kept[i])
			keep[n++] = FIRST + i;
	}
	if (sys_close_from(first, keep, n) < 0)
		return 1;
	for (int i = 0; i < SPAN; i++)
		if (is_open(FIRST + i) != (opened[i] && (kept[i] || FIRST + i < first)))
			return 2;
	return 0;
}

Test(fd, close_from_closes_all_but_what_is_kept)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t s = 0; s < n; s++)
		for (uint64_t i = 0; i < 100; i++)
			cr_assert_eq(in_child(close_at_random, list[s] + i), 0, "seed %" PRIu64,
				list[s] + i);
}

static int close_everything(uint64_t arg)
{
	static const int zero[] = { 0, 0, 2 };

	(void)arg;
	if (sys_close_from(0, zero, 3) < 0 || !is_open(0) || is_open(1) || !is_open(2))
		return 1;
	if (sys_close_from(0, NULL, 0) < 0 || is_open(0) || is_open(2))
		return 2;
	/* Nothing is left: that is no failure. */
	return sys_close_from(3, NULL, 0) < 0 ? 3 : 0;
}

Test(fd, close_from_zero_with_duplicates_in_the_list)
{
	cr_assert_eq(in_child(close_everything, 0), 0);
}

static int memfd_of(const char *bytes, size_t len)
{
	int fd = sys_memfd("lxe-test", 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(sys_write_all(fd, bytes, len), 0);
	return fd;
}

Test(fd, a_descriptor_is_read_whole_from_its_start)
{
	static const size_t sizes[] = { 0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 100000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *bytes = malloc(sizes[i] + 1), *got = NULL;
		size_t len = 9;
		int fd;

		for (size_t k = 0; k < sizes[i]; k++)
			bytes[k] = (char)(k * 7 + (k >> 8));
		fd = memfd_of(bytes, sizes[i]);
		cr_assert_eq(sys_read_whole(fd, sizes[i], &got, &len), 0);
		cr_assert_eq(len, sizes[i]);
		cr_assert_eq(memcmp(got, bytes, len), 0);
		cr_assert_eq(got[len], '\0');
		cr_assert_eq(lseek(fd, 0, SEEK_CUR), (off_t)sizes[i], "the position is not used");
		free(got);
		got = NULL;
		if (sizes[i]) {
			len = 9;
			cr_assert_eq(sys_read_whole(fd, sizes[i] - 1, &got, &len), -E2BIG);
			cr_assert_null(got);
			cr_assert_eq(len, 9);
		}
		close(fd);
		free(bytes);
	}
}

Test(fd, a_pipe_has_no_start)
{
	char *got = NULL;
	size_t len;
	int ends[2];

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(sys_read_whole(ends[0], 100, &got, &len), -ESPIPE);
	cr_assert_eq(sys_read_whole(-EBADF, 100, &got, &len), -EBADF);
	cr_assert_null(got);
	close(ends[0]);
	close(ends[1]);
}

Test(fd, small_files_are_terminated_or_too_big)
{
	char dir[] = "/tmp/lxe-test-fd-XXXXXX", buf[6];
	int at, fd;

	cr_assert_not_null(mkdtemp(dir));
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(sys_write_file(at, "f", "12345"), 0);
	cr_assert_eq(sys_read_file(at, "f", buf, sizeof(buf)), 5);
	cr_assert_str_eq(buf, "12345");
	cr_assert_eq(sys_read_file(at, "f", buf, 5), -E2BIG);
	cr_assert_eq(sys_read_file(at, "absent", buf, sizeof(buf)), -ENOENT);
	cr_assert_eq(sys_write_file(at, "absent", "x"), -ENOENT);
	cr_assert_eq(faccessat(at, "absent", F_OK, 0), -1);
	cr_assert_eq(sys_read_file(at, ".", buf, sizeof(buf)), -EISDIR);
	unlinkat(at, "f", 0);
	close(fd);
	close(at);
	rmdir(dir);
}

static void ignore(int signal)
{
	(void)signal;
}

/* A writer that sees many short writes and signals, against a reader with random step sizes. */
Test(fd, all_is_written_through_a_full_pipe_and_interruptions)
{
	struct sigaction on_signal = { .sa_handler = ignore };
	enum { TOTAL = 1 << 20 };
	int ends[2], status;
	uint64_t state = 5;
	size_t got = 0;
	pid_t pid;

	cr_assert_eq(sys_pipe(ends), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		char *bytes = malloc(TOTAL);

		sigaction(SIGUSR1, &on_signal, NULL);
		for (size_t i = 0; i < TOTAL; i++)
			bytes[i] = (char)(i * 31 + (i >> 12));
		close(ends[0]);
		/* The first byte says that the handler is there. */
		_exit(sys_write_all(ends[1], "!", 1) == 0 &&
					sys_write_all(ends[1], bytes, TOTAL) == 0
				? 0
				: 1);
	}
	close(ends[1]);
	for (;;) {
		char buf[5000];
		ssize_t n = sys_read(ends[0], buf, 1 + rnd_below(&state, sizeof(buf)));

		cr_assert_geq(n, 0);
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++, got++)
			cr_assert_eq(
				buf[i], got ? (char)((got - 1) * 31 + ((got - 1) >> 12)) : '!');
		kill(pid, SIGUSR1);
	}
	cr_assert_eq(got, TOTAL + 1);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	close(ends[0]);
}

Test(fd, would_block_goes_back_to_the_caller)
{
	static const char zeros[1 << 17];
	int ends[2];
	char c;

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(sys_set_nonblock(ends[0], true), 0);
	cr_assert_eq(sys_set_nonblock(ends[1], true), 0);
	cr_assert_eq(sys_read(ends[0], &c, 1), -EAGAIN);
	cr_assert_eq(sys_write_all(ends[1], zeros, sizeof(zeros)), -EAGAIN);
	cr_assert_eq(sys_set_nonblock(ends[0], false), 0);
	cr_assert_not(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
	close(ends[0]);
	close(ends[1]);
}

Test(fd, who_does_not_take_it_is_not_waited_for)
{
	char zeros[10000] = { 0 };
	int ends[2], sockets[2];

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(sys_write_within(ends[1], zeros, sizeof(zeros), 0), 0);
	cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, 4 * 4096), 4 * 4096);
	cr_assert_eq(sys_write_within(ends[1], zeros, sizeof(zeros), 20), -ETIMEDOUT);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	for (int i = 0, r = 0; r == 0; i++) {
		cr_assert_lt(i, 10000);
		r = sys_write_within(sockets[0], zeros, sizeof(zeros), 20);
		cr_assert(r == 0 || r == -ETIMEDOUT);
	}
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(sockets[i]);
	}
}

Test(fd, flags_change_alone)
{
	int fd = sys_memfd("lxe-test", 10);

	cr_assert_eq(lseek(fd, 0, SEEK_END), 10);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(sys_set_cloexec(fd, false), 0);
	cr_assert_eq(fcntl(fd, F_GETFD), 0);
	cr_assert_eq(sys_set_cloexec(fd, true), 0);
	cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	cr_assert_eq(sys_set_nonblock(-EBADF, true), -EBADF);
	close(fd);
}
