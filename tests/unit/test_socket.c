#include "sys/socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"
#include "random.h"
#include "sys/fd.h"

static void make_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fds[i] = sys_memfd("lxe-test", i);
		cr_assert_geq(fds[i], 0);
	}
}

static void close_fds(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

/* With more descriptors than sys_send() takes, as a peer of another kind could. */
static void send_raw(int fd, const void *buf, size_t len, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 64)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	cr_assert_eq(sendmsg(fd, &msg, 0), (ssize_t)len);
}

Test(socket, records_and_descriptors_arrive_as_they_were_sent)
{
	int ends[2], sent[SYS_SOCKET_FDS_MAX];
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	cr_assert_eq(sys_socketpair(ends), 0);
	cr_assert(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
	make_fds(sent, SYS_SOCKET_FDS_MAX);
	for (size_t s = 0; s < n; s++) {
		uint64_t state = list[s];

		for (int i = 0; i < 500; i++) {
			unsigned char out[700], in[700];
			size_t len = 1 + rnd_below(&state, sizeof(out));
			size_t n_out = rnd_below(&state, SYS_SOCKET_FDS_MAX + 1);
			size_t n_in = SYS_SOCKET_FDS_MAX;
			int got[SYS_SOCKET_FDS_MAX];

			for (size_t k = 0; k < len; k++)
				out[k] = (unsigned char)rnd(&state);
			cr_assert_eq(sys_send(ends[0], out, len, sent, n_out), 0);
			cr_assert_eq(sys_recv(ends[1], in, sizeof(in), got, &n_in), (ssize_t)len);
			cr_assert_eq(memcmp(in, out, len), 0, "seed %" PRIu64, list[s]);
			cr_assert_eq(n_in, n_out);
			for (size_t k = 0; k < n_in; k++) {
				struct stat st;

				/* Known by their size. */
				cr_assert_eq(fstat(got[k], &st), 0);
				cr_assert_eq(st.st_size, (off_t)k);
				cr_assert(fcntl(got[k], F_GETFD) & FD_CLOEXEC);
			}
			close_fds(got, n_in);
		}
	}
	close_fds(sent, SYS_SOCKET_FDS_MAX);
	close_fds(ends, 2);
}

/* Sends `len` bytes and `n` descriptors to a receiver with less room: refused, and nothing kept. */
static void expect_refused(size_t len, size_t n, size_t room_bytes, size_t room_fds, bool count)
{
	int ends[2], sent[64], got[64], before;
	unsigned char out[64] = { 0 }, in[64];
	size_t n_in = room_fds;

	cr_assert_eq(sys_socketpair(ends), 0);
	make_fds(sent, n);
	send_raw(ends[0], out, len, sent, n);
	before = open_fds();
	cr_assert_eq(sys_recv(ends[1], in, room_bytes, got, count ? &n_in : NULL), -EBADMSG,
		"%zu bytes, %zu descriptors, room %zu %zu", len, n, room_bytes, room_fds);
	cr_assert_eq(open_fds(), before, "%zu bytes, %zu descriptors", len, n);
	if (count)
		cr_assert_eq(n_in, 0);
	/* The next record is not harmed. */
	cr_assert_eq(sys_send(ends[0], "x", 1, NULL, 0), 0);
	cr_assert_eq(sys_recv(ends[1], in, sizeof(in), NULL, NULL), 1);
	close_fds(sent, n);
	close_fds(ends, 2);
}

Test(socket, too_many_descriptors_are_refused_and_closed)
{
	expect_refused(4, 1, 64, 0, true);
	expect_refused(4, 1, 64, 0, false);
	expect_refused(4, 3, 64, 2, true);
	expect_refused(4, SYS_SOCKET_FDS_MAX, 64, SYS_SOCKET_FDS_MAX - 1, true);
	/* Those that do not fit into the control buffer are dropped by the kernel (MSG_CTRUNC). */
	expect_refused(4, SYS_SOCKET_FDS_MAX + 1, 64, SYS_SOCKET_FDS_MAX, true);
	expect_refused(4, 40, 64, SYS_SOCKET_FDS_MAX, true);
}

Test(socket, a_record_that_does_not_fit_is_refused_and_its_descriptors_closed)
{
	expect_refused(5, 1, 4, SYS_SOCKET_FDS_MAX, true);
	expect_refused(64, 8, 63, SYS_SOCKET_FDS_MAX, true);
	expect_refused(64, 20, 1, SYS_SOCKET_FDS_MAX, true);
}

/* It would look like the end of the connection, and its descriptors would belong to nobody. */
Test(socket, an_empty_record_with_descriptors_is_refused_and_they_are_closed)
{
	expect_refused(0, 1, 64, SYS_SOCKET_FDS_MAX, true);
	expect_refused(0, 8, 64, SYS_SOCKET_FDS_MAX, true);
}

Test(socket, a_receiver_without_free_descriptors_refuses_and_keeps_none)
{
	int ends[2], sent[4], got[SYS_SOCKET_FDS_MAX], before, probe;
	size_t n = SYS_SOCKET_FDS_MAX;
	struct rlimit limit, old;
	char buf[8];

	cr_assert_eq(sys_socketpair(ends), 0);
	make_fds(sent, 4);
	send_raw(ends[0], "x", 1, sent, 4);
	before = open_fds();
	probe = dup(ends[0]);
	close(probe);
	getrlimit(RLIMIT_NOFILE, &old);
	/* Two numbers are free. */
	limit = (struct rlimit){ .rlim_cur = (rlim_t)probe + 2, .rlim_max = old.rlim_max };
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(sys_recv(ends[1], buf, sizeof(buf), got, &n), -EBADMSG);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(n, 0);
	close_fds(sent, 4);
	close_fds(ends, 2);
}

Test(socket, a_peer_that_is_gone_is_the_end_or_a_broken_pipe)
{
	int ends[2], got[SYS_SOCKET_FDS_MAX];
	size_t n = SYS_SOCKET_FDS_MAX;
	char buf[8];

	cr_assert_eq(sys_socketpair(ends), 0);
	cr_assert_eq(sys_send(ends[0], "last", 4, NULL, 0), 0);
	close(ends[0]);
	cr_assert_eq(sys_recv(ends[1], buf, sizeof(buf), got, &n), 4);
	cr_assert_eq(n, 0);
	n = SYS_SOCKET_FDS_MAX;
	cr_assert_eq(sys_recv(ends[1], buf, sizeof(buf), got, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(sys_send(ends[1], "x", 1, NULL, 0), -EPIPE);
	close(ends[1]);
}

Test(socket, what_cannot_be_sent_is_said)
{
	int ends[2], many[SYS_SOCKET_FDS_MAX + 1], bad = -EBADF;
	char buf[8];

	cr_assert_eq(sys_socketpair(ends), 0);
	for (size_t i = 0; i < SYS_SOCKET_FDS_MAX + 1; i++)
		many[i] = ends[0];
	cr_assert_eq(sys_send(ends[0], "x", 1, many, SYS_SOCKET_FDS_MAX + 1), -EINVAL);
	cr_assert_eq(sys_send(ends[0], "x", 1, &bad, 1), -EBADF);
	cr_assert_eq(sys_set_nonblock(ends[1], true), 0);
	cr_assert_eq(sys_recv(ends[1], buf, sizeof(buf), NULL, NULL), -EAGAIN);
	close_fds(ends, 2);
}
