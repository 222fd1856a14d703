#include "terminal/ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random.h"
#include "sys/fd.h"

static unsigned char byte_at(uint64_t position)
{
	return (unsigned char)(position * 31 + (position >> 8) * 17 + (position >> 16));
}

static struct lxe_ring *new_ring(int *fd)
{
	struct lxe_ring *ring = NULL;

	cr_assert_eq(lxe_ring_new(&ring, fd), 0);
	return ring;
}

/* Each room is asked for with so much to spare. */
static void put_sparing(struct lxe_ring *ring, size_t n, size_t spare)
{
	while (n) {
		struct iovec room = lxe_ring_room(ring, n + spare);
		uint64_t at = lxe_ring_written(ring);
		size_t used = room.iov_len < n ? room.iov_len : n;

		cr_assert_gt(room.iov_len, 0);
		for (size_t i = 0; i < used; i++)
			((unsigned char *)room.iov_base)[i] = byte_at(at + i);
		lxe_ring_publish(ring, used);
		n -= used;
	}
}

static void put(struct lxe_ring *ring, size_t n)
{
	put_sparing(ring, n, 0);
}

static void expect_bytes(struct iovec v, uint64_t position, uint64_t seed)
{
	for (size_t i = 0; i < v.iov_len; i++)
		cr_assert_eq(((unsigned char *)v.iov_base)[i], byte_at(position + i),
			"seed %" PRIu64 " position %" PRIu64, seed, position + i);
}

Test(ring, begins_empty)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);

	cr_assert_eq(lxe_ring_written(ring), 0);
	cr_assert_eq(lxe_ring_oldest(ring), 0);
	cr_assert_eq(lxe_ring_peek(ring, 0).iov_len, 0);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	lxe_ring_unmap(ring);
	close(fd);
}

Test(ring, room_is_at_most_what_was_asked_for_and_ends_at_the_wrap)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);

	cr_assert_eq(lxe_ring_room(ring, 100).iov_len, 100);
	put(ring, LXE_RING_SIZE - 10);
	cr_assert_eq(lxe_ring_room(ring, 100).iov_len, 10);
	lxe_ring_publish(ring, 10);
	cr_assert_eq(lxe_ring_room(ring, 2 * LXE_RING_SIZE).iov_len, LXE_RING_ROOM_MAX);
	lxe_ring_unmap(ring);
	close(fd);
}

Test(ring, a_position_that_is_too_old_is_clamped)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);
	uint64_t oldest;
	struct iovec v;

	put(ring, LXE_RING_SIZE + 1000);
	oldest = lxe_ring_oldest(ring);
	cr_assert_eq(oldest, 1000);
	cr_assert_eq(lxe_ring_clamp(ring, 0), 1000);
	v = lxe_ring_peek(ring, 0);
	cr_assert_eq(v.iov_len, LXE_RING_SIZE - 1000);
	expect_bytes(v, 1000, 0);
	lxe_ring_unmap(ring);
	close(fd);
}

Test(ring, a_position_beyond_the_end_is_empty)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);

	put(ring, 5);
	cr_assert_eq(lxe_ring_clamp(ring, 99), 5);
	cr_assert_eq(lxe_ring_peek(ring, 5).iov_len, 0);
	cr_assert_eq(lxe_ring_peek(ring, 99).iov_len, 0);
	lxe_ring_unmap(ring);
	close(fd);
}

Test(ring, what_is_being_overwritten_is_gone_before_it_is_published)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);
	struct iovec room;

	put(ring, LXE_RING_SIZE);
	cr_assert_eq(lxe_ring_oldest(ring), 0);
	room = lxe_ring_room(ring, 300);
	memset(room.iov_base, 0xee, room.iov_len);
	cr_assert_eq(lxe_ring_oldest(ring), 300);
	expect_bytes(lxe_ring_peek(ring, 0), 300, 0);
	lxe_ring_publish(ring, 120);
	/* What was not used of the room is not as it was. */
	cr_assert_eq(lxe_ring_oldest(ring), 300);
	expect_bytes(lxe_ring_peek(ring, 0), 300, 0);
	lxe_ring_unmap(ring);
	close(fd);
}

/* The writer puts random amounts, the reader follows in random steps and sometimes falls behind. */
static void follow(uint64_t seed)
{
	int fd = -1;
	struct lxe_ring *writer = new_ring(&fd), *reader = NULL;
	uint64_t state = seed, position = 0, model = 0;

	cr_assert_eq(lxe_ring_map(&reader, fd), 0);
	for (int i = 0; i < 2000; i++) {
		size_t n = rnd_below(&state, rnd_below(&state, 8) ? 5000 : LXE_RING_SIZE);
		struct iovec v;

		put_sparing(writer, n, rnd_below(&state, LXE_RING_ROOM_MAX));
		model += n;
		cr_assert_eq(lxe_ring_written(reader), model, "seed %" PRIu64, seed);
		if (rnd_below(&state, 4) == 0)
			continue;
		position = lxe_ring_clamp(reader, position);
		cr_assert_geq(position + LXE_RING_SIZE, model, "seed %" PRIu64, seed);
		v = lxe_ring_peek(reader, position);
		cr_assert(v.iov_len > 0 || position == model, "seed %" PRIu64, seed);
		cr_assert_leq(position + v.iov_len, model, "seed %" PRIu64, seed);
		v.iov_len = rnd_below(&state, v.iov_len + 1);
		expect_bytes(v, position, seed);
		position += v.iov_len;
	}
	lxe_ring_unmap(reader);
	lxe_ring_unmap(writer);
	close(fd);
}

Test(ring, readers_follow_a_model)
{
	uint64_t list[SEEDS];
	size_t n = seeds(list);

	for (size_t i = 0; i < n; i++)
		follow(list[i]);
}

/* A reader in another process, while the writer never waits for it: what it accepts is right. */
Test(ring, another_process_never_accepts_overwritten_bytes, .timeout = 60)
{
	static unsigned char copy[LXE_RING_SIZE];
	int fd = -1, status;
	struct lxe_ring *ring = new_ring(&fd);
	const uint64_t total = 64 * 1024 * 1024;
	pid_t writer = getpid(), pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		uint64_t position = 0;

		/* A writer that fails would leave its reader waiting for good. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != writer)
			_exit(2);
		while (position < total) {
			struct iovec v;

			position = lxe_ring_clamp(ring, position);
			v = lxe_ring_peek(ring, position);
			memcpy(copy, v.iov_base, v.iov_len);
			if (position < lxe_ring_oldest(ring))
				continue;
			for (size_t i = 0; i < v.iov_len; i++)
				if (copy[i] != byte_at(position + i))
					_exit(1);
			position += v.iov_len;
		}
		_exit(0);
	}
	while (lxe_ring_written(ring) < total)
		put_sparing(ring, 4096, 4096);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	lxe_ring_unmap(ring);
	close(fd);
}

Test(ring, only_a_ring_is_mapped)
{
	struct lxe_ring *ring = NULL;
	int ends[2], fd = sys_memfd("lxe-test", 4096 + LXE_RING_SIZE);

	/* right size, but could shrink under us */
	cr_assert_eq(lxe_ring_map(&ring, fd), -EBADMSG);
	close(fd);

	/* sealed and of the right size, but without the header */
	fd = memfd_create("lxe-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(fd, 4096 + LXE_RING_SIZE), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_assert_eq(lxe_ring_map(&ring, fd), -EBADMSG);
	close(fd);

	/* too short */
	fd = memfd_create("lxe-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cr_assert_eq(ftruncate(fd, 4096), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_assert_eq(lxe_ring_map(&ring, fd), -EBADMSG);
	close(fd);

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(lxe_ring_map(&ring, ends[0]), -EBADMSG);
	cr_assert_eq(lxe_ring_map(&ring, -1), -EBADMSG);
	close(ends[0]);
	close(ends[1]);
	cr_assert_null(ring);
	lxe_ring_unmap(NULL);
}

Test(ring, a_ring_cannot_be_cut_under_its_readers)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);

	cr_assert_eq(ftruncate(fd, 0), -1);
	cr_assert_eq(errno, EPERM);
	lxe_ring_unmap(ring);
	close(fd);
}

Test(ring, what_a_killed_writer_had_read_is_not_lost)
{
	int fd = -1;
	struct lxe_ring *ring = new_ring(&fd);
	struct iovec v;

	put(ring, 100000);
	v = lxe_ring_room(ring, 5000);
	memcpy(v.iov_base, "read\0and not published", 22);
	lxe_ring_recover(ring);
	cr_assert_eq(lxe_ring_written(ring), 100022);
	v = lxe_ring_peek(ring, 100000);
	cr_assert_arr_eq(v.iov_base, "read\0and not published", 22);
	/* Nothing was read, or all of it was published. */
	lxe_ring_room(ring, 5000);
	lxe_ring_recover(ring);
	lxe_ring_recover(ring);
	cr_assert_eq(lxe_ring_written(ring), 100022);
	lxe_ring_unmap(ring);
	close(fd);
}
