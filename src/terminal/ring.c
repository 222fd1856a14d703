#include "terminal/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "terminal/modes.h"

#define RING_MAGIC 0x6c786572u /* "lxer" */
#define RING_VERSION 3u
#define LOOKS 1000
#define RING_HEADER 4096
#define RING_MASK ((uint64_t)LXE_RING_SIZE - 1)

/*
 * `reserved` runs ahead of `written`, to the end of the last room that the writer had: the oldest bytes are gone when
 * it is given, although nothing new can be seen yet, and do not come back with what is not used of it.
 */
struct lxe_ring {
	uint32_t magic, version, size;
	_Alignas(64) _Atomic uint64_t written;
	_Atomic uint64_t reserved;
	_Atomic uint64_t input;
	/*
	 * What had been set on the terminal up to `tracked`: the bytes before it may be overwritten.
	 * `turn` is odd while they are changed.
	 */
	_Atomic uint64_t turn;
	uint64_t tracked;
	struct lxe_modes_tracker modes;
	_Alignas(RING_HEADER) unsigned char data[LXE_RING_SIZE];
};

_Static_assert((LXE_RING_SIZE & (LXE_RING_SIZE - 1)) == 0, "positions are masked");
_Static_assert(sizeof(struct lxe_ring) == RING_HEADER + LXE_RING_SIZE, "one page of header");

static struct lxe_ring *map(int fd)
{
	void *p = mmap(NULL, sizeof(struct lxe_ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

int lxe_ring_new(struct lxe_ring **ret, int *ret_fd)
{
	LXE_AUTOCLOSE int fd = memfd_create("lxe-ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct lxe_ring *ring;

	if (fd < 0 || ftruncate(fd, sizeof(*ring)) < 0)
		return -errno;
	/* A file that shrinks under a mapping kills by SIGBUS whoever touches it. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	ring = map(fd);
	if (!ring)
		return -errno;
	lxe_modes_tracker_init(&ring->modes);
	ring->version = RING_VERSION;
	ring->size = LXE_RING_SIZE;
	ring->magic = RING_MAGIC;
	*ret = ring;
	*ret_fd = take_fd(&fd);
	return 0;
}

static bool looks_like_ring(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	return st.st_size == (off_t)sizeof(struct lxe_ring) && seals >= 0 &&
	       (seals & F_SEAL_SHRINK);
}

int lxe_ring_map(struct lxe_ring **ret, int fd)
{
	struct lxe_ring *ring;

	if (!looks_like_ring(fd))
		return -EBADMSG;
	ring = map(fd);
	if (!ring)
		return -errno;
	if (ring->magic != RING_MAGIC || ring->version != RING_VERSION ||
		ring->size != LXE_RING_SIZE) {
		lxe_ring_unmap(ring);
		return -EBADMSG;
	}
	*ret = ring;
	return 0;
}

void lxe_ring_unmap(struct lxe_ring *ring)
{
	int saved = errno;

	if (ring)
		munmap(ring, sizeof(*ring));
	errno = saved;
}

uint64_t lxe_ring_written(const struct lxe_ring *ring)
{
	return atomic_load_explicit(&ring->written, memory_order_acquire);
}

void lxe_ring_add_input(struct lxe_ring *ring, uint64_t n)
{
	atomic_fetch_add_explicit(&ring->input, n, memory_order_relaxed);
}

uint64_t lxe_ring_input(const struct lxe_ring *ring)
{
	return atomic_load_explicit(&ring->input, memory_order_relaxed);
}

uint64_t lxe_ring_oldest(const struct lxe_ring *ring)
{
	uint64_t reserved;

	/* Whatever the caller copied before must have been read before this look. */
	atomic_thread_fence(memory_order_seq_cst);
	reserved = atomic_load_explicit(&ring->reserved, memory_order_acquire);
	return reserved > LXE_RING_SIZE ? reserved - LXE_RING_SIZE : 0;
}

uint64_t lxe_ring_clamp(const struct lxe_ring *ring, uint64_t position)
{
	uint64_t oldest = lxe_ring_oldest(ring);
	uint64_t written = lxe_ring_written(ring);

	if (position < oldest)
		position = oldest;
	return position < written ? position : written;
}

static size_t until_wrap(uint64_t position)
{
	return (size_t)(LXE_RING_SIZE - (position & RING_MASK));
}

/* Before bytes are overwritten: remember what they had set. */
static void track(struct lxe_ring *ring, uint64_t end)
{
	uint64_t from = ring->tracked;

	if (end <= from)
		return;
	atomic_fetch_add_explicit(&ring->turn, 1, memory_order_acq_rel);
	atomic_thread_fence(memory_order_seq_cst);
	while (from < end) {
		size_t len = until_wrap(from);

		if (len > end - from)
			len = (size_t)(end - from);
		lxe_modes_feed(&ring->modes, ring->data + (from & RING_MASK), len);
		from += len;
	}
	ring->tracked = end;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add_explicit(&ring->turn, 1, memory_order_acq_rel);
}

uint64_t lxe_ring_start(const struct lxe_ring *ring, struct lxe_modes *modes)
{
	uint64_t position = 0, turn;

	for (int look = 0; look < LOOKS; look++) {
		turn = atomic_load_explicit(&ring->turn, memory_order_acquire);
		*modes = ring->modes.modes;
		position = ring->tracked;
		atomic_thread_fence(memory_order_seq_cst);
		if (!(turn & 1) && turn == atomic_load_explicit(&ring->turn, memory_order_acquire))
			break;
	}
	/* A writer that was killed in the middle: whatever it says, it is made harmless. */
	lxe_modes_repair(modes, 0, 0);
	return lxe_ring_clamp(ring, position);
}

struct iovec lxe_ring_room(struct lxe_ring *ring, size_t max)
{
	uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
	size_t len = until_wrap(written);

	if (len > max)
		len = max;
	if (len > LXE_RING_ROOM_MAX)
		len = LXE_RING_ROOM_MAX;
	if (written + len > LXE_RING_SIZE)
		track(ring, written + len - LXE_RING_SIZE);
	if (written + len > atomic_load_explicit(&ring->reserved, memory_order_relaxed))
		atomic_store_explicit(&ring->reserved, written + len, memory_order_relaxed);
	/* Readers must see the reservation before the first byte that it lets change. */
	atomic_thread_fence(memory_order_seq_cst);
	/* What a writer that is killed has read and not published is told by it: lxe_ring_recover(). */
	memset(ring->data + (written & RING_MASK), 0, len);
	return (struct iovec){ .iov_base = ring->data + (written & RING_MASK), .iov_len = len };
}

void lxe_ring_recover(struct lxe_ring *ring)
{
	uint64_t written = atomic_load_explicit(&ring->written, memory_order_acquire);
	uint64_t reserved = atomic_load_explicit(&ring->reserved, memory_order_acquire);
	const unsigned char *room = ring->data + (written & RING_MASK);
	size_t n = 0;

	if (reserved > written && reserved - written <= until_wrap(written))
		n = (size_t)(reserved - written);
	while (n && !room[n - 1])
		n--;
	lxe_ring_publish(ring, n);
}

void lxe_ring_publish(struct lxe_ring *ring, size_t n)
{
	uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed) + n;

	assert(written <= atomic_load_explicit(&ring->reserved, memory_order_relaxed));
	atomic_store_explicit(&ring->written, written, memory_order_release);
}

struct iovec lxe_ring_peek(const struct lxe_ring *ring, uint64_t position)
{
	uint64_t written = lxe_ring_written(ring);
	size_t len;

	position = lxe_ring_clamp(ring, position);
	len = until_wrap(position);
	if (position >= written)
		len = 0;
	else if (len > written - position)
		len = (size_t)(written - position);
	return (struct iovec){ .iov_base = (void *)(ring->data + (position & RING_MASK)),
		.iov_len = len };
}
