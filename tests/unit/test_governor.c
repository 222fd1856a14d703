#include "terminal/governor.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/fd.h"

#define LIMIT 1000

static struct lxe_governor *made(int *memory)
{
	struct lxe_governor *g;

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(lxe_governor_new(&g, memory, LIMIT, false), 0);
	return g;
}

static void put_all(struct lxe_governor *g, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		size_t n = lxe_governor_put(g, LXE_STREAM_OUT, text, len);

		cr_assert(n > 0);
		cr_assert_geq(lxe_governor_push(g, LXE_STREAM_OUT), 0);
		text += n;
		len -= n;
	}
}

static size_t read_now(int fd, char *buf, size_t size)
{
	ssize_t n = read(fd, buf, size);

	return n > 0 ? (size_t)n : 0;
}

/* One process has filled it and is gone; the other maps it, and goes on where it stood. */
Test(governor, another_process_goes_on)
{
	char text[3001], got[3000];
	struct lxe_governor *g, *other;
	struct lxe_outcome o = { 0 };
	int memory, ends[2];

	memset(text, 'x', 3000);
	text[3000] = '\0';
	g = made(&memory);
	cr_assert_eq(sys_pipe(ends), 0);
	lxe_governor_set_out(g, LXE_STREAM_OUT, ends[1]);
	put_all(g, text);
	cr_assert_eq(read_now(ends[0], got, sizeof(got)), LIMIT / 2);
	lxe_governor_free(g);
	close(ends[0]);

	cr_assert_eq(lxe_governor_map(&other, memory, LIMIT, false), 0);
	cr_assert_eq(sys_pipe(ends), 0);
	lxe_governor_set_out(other, LXE_STREAM_OUT, ends[1]);
	cr_assert_not(lxe_governor_pending(other, LXE_STREAM_OUT));
	lxe_governor_end(other, LXE_STREAM_OUT);
	cr_assert_geq(lxe_governor_push(other, LXE_STREAM_OUT), 0);
	cr_assert_eq(read_now(ends[0], got, sizeof(got)), 32 + LIMIT / 2);
	cr_assert_eq(memcmp(got, "\n[lxc-exec: 2000 bytes dropped]", 31), 0);
	lxe_governor_tell(other, &o);
	cr_assert(o.written[0] == 3000 && o.dropped[0] == 2000 && o.truncated);
	cr_assert_eq(lxe_governor_put(other, LXE_STREAM_OUT, "late", 4), 4, "taken, and gone");
	lxe_governor_free(other);
	close(ends[0]);
	close(memory);
}

Test(governor, maps_nothing_else)
{
	struct lxe_governor *g = NULL;
	int plain = sys_memfd("plain", 1 << 20), memory;

	cr_assert_eq(lxe_governor_map(&g, plain, LIMIT, false), -EBADMSG);
	lxe_governor_free(made(&memory));
	cr_assert_eq(lxe_governor_map(&g, memory, LIMIT * 1000, false), -EBADMSG);
	cr_assert_eq(lxe_governor_map(&g, -1, LIMIT, false), -EBADMSG);
	close(memory);
	close(plain);
}

/* A pipe that blocks, a socket, one that does not: a reader who does not read is not waited for. */
Test(governor, never_waits_for_a_reader, .timeout = 20)
{
	static const char chunk[4096] = { [0 ... 4094] = 'y' };

	for (int kind = 0; kind < 3; kind++) {
		struct lxe_governor *g;
		size_t total = 0, n;
		int memory, ends[2];

		signal(SIGPIPE, SIG_IGN);
		cr_assert_eq(lxe_governor_new(&g, &memory, 1 << 22, false), 0);
		if (kind == 1)
			cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		else
			cr_assert_eq(sys_pipe(ends), 0);
		if (kind == 2)
			cr_assert_eq(sys_set_nonblock(ends[1], true), 0);
		lxe_governor_set_out(g, LXE_STREAM_OUT, ends[1]);
		while ((n = lxe_governor_put(g, LXE_STREAM_OUT, chunk, sizeof(chunk) - 1))) {
			cr_assert_geq(lxe_governor_push(g, LXE_STREAM_OUT), 0);
			total += n;
		}
		cr_assert_geq(total, 1 << 21, "%d", kind);
		cr_assert_not(lxe_governor_has_room(g, LXE_STREAM_OUT));
		close(ends[0]);
		cr_assert_eq(lxe_governor_push(g, LXE_STREAM_OUT), -EPIPE, "%d", kind);
		lxe_governor_free(g);
		close(memory);
	}
}

Test(governor, a_spill_file_that_is_full)
{
	struct lxe_outcome o = { 0 };
	int memory, null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct lxe_governor *g = made(&memory);

	lxe_governor_set_out(g, LXE_STREAM_OUT, null);
	lxe_governor_set_spill(g, open("/dev/full", O_WRONLY | O_CLOEXEC));
	put_all(g, "text");
	lxe_governor_tell(g, &o);
	cr_assert(o.spills && o.spilled == 0);
	cr_assert_str_eq(o.spill_error, "no space left on device");
	cr_assert_eq(o.written[0], 4);
	lxe_governor_free(g);
	close(memory);
}
