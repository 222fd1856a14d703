#include "terminal/governor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sys/brief.h"
#include "sys/fd.h"
#include "terminal/headtail.h"

#define MAGIC 0x6c786567u /* "lxeg" */
#define HEADER 4096
#define SPILL_MS 2000
#define FAIR_SHARE ((size_t)1024 * 1024) /* of one push to what is not a file */

struct shared {
	uint32_t magic, spills;
	uint64_t limit;
	_Atomic uint64_t spilled;
	_Atomic int spill_error; /* negative errno: the spill file ends there */
};

enum kind { NONE, FILE_LIKE, SOCKET, NONBLOCKING, BLOCKING };

struct lxe_governor {
	struct shared *shared;
	size_t size;
	int spill;
	bool spill_is_file;
	struct {
		struct lxe_headtail h;
		int out;
		enum kind kind;
	} s[LXE_STREAMS];
};

static size_t size_for(uint64_t limit)
{
	size_t one = (lxe_headtail_size(limit) + HEADER - 1) & ~(size_t)(HEADER - 1);

	return HEADER + LXE_STREAMS * one;
}

static struct lxe_governor *map(int fd, uint64_t limit, bool terminal)
{
	struct lxe_governor *g = calloc(1, sizeof(*g));
	unsigned char *memory;

	if (!g)
		return NULL;
	g->size = size_for(limit);
	memory = mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		free(g);
		return NULL;
	}
	g->shared = (struct shared *)memory;
	g->spill = -EBADF;
	for (size_t i = 0; i < LXE_STREAMS; i++) {
		g->s[i].out = -EBADF;
		lxe_headtail_view(&g->s[i].h,
			memory + HEADER + i * ((g->size - HEADER) / LXE_STREAMS), limit, terminal);
	}
	return g;
}

int lxe_governor_new(struct lxe_governor **ret, int *ret_fd, uint64_t limit, bool terminal)
{
	LXE_AUTOCLOSE int fd = memfd_create("lxe-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct lxe_governor *g;

	if (fd < 0 || ftruncate(fd, (off_t)size_for(limit)) < 0)
		return -errno;
	/* A file that shrinks under a mapping kills by SIGBUS whoever touches it. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	g = map(fd, limit, terminal);
	if (!g)
		return -ENOMEM;
	g->shared->limit = limit;
	g->shared->magic = MAGIC;
	*ret = g;
	*ret_fd = take_fd(&fd);
	return 0;
}

int lxe_governor_map(struct lxe_governor **ret, int fd, uint64_t limit, bool terminal)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct lxe_governor *g;
	struct stat st;

	if (fstat(fd, &st) < 0 || seals < 0 || !(seals & F_SEAL_SHRINK) ||
		st.st_size != (off_t)size_for(limit))
		return -EBADMSG;
	g = map(fd, limit, terminal);
	if (!g)
		return -ENOMEM;
	if (g->shared->magic != MAGIC || g->shared->limit != limit) {
		lxe_governor_free(g);
		return -EBADMSG;
	}
	*ret = g;
	return 0;
}

void lxe_governor_free(struct lxe_governor *g)
{
	int saved = errno;

	if (!g)
		return;
	munmap(g->shared, g->size);
	lxe_close(g->spill);
	for (size_t i = 0; i < LXE_STREAMS; i++)
		lxe_close(g->s[i].out);
	free(g);
	errno = saved;
}

static enum kind kind_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return NONE;
	if (S_ISREG(st.st_mode))
		return FILE_LIKE;
	if (S_ISSOCK(st.st_mode))
		return SOCKET;
	return flags & O_NONBLOCK ? NONBLOCKING : BLOCKING;
}

void lxe_governor_set_out(struct lxe_governor *g, enum lxe_stream stream, int fd)
{
	lxe_close(g->s[stream].out);
	g->s[stream].out = fd;
	g->s[stream].kind = kind_of(fd);
}

int lxe_governor_out(const struct lxe_governor *g, enum lxe_stream stream)
{
	return g->s[stream].out;
}

void lxe_governor_set_spill(struct lxe_governor *g, int fd)
{
	lxe_close(g->spill);
	g->spill = fd;
	g->spill_is_file = kind_of(fd) == FILE_LIKE;
	g->shared->spills = fd >= 0;
}

/* A descriptor of the caller's may be a pipe: a reader who does not read has two seconds, once. */
static ssize_t spill_some(const struct lxe_governor *g, const void *bytes, size_t n)
{
	int r;

	if (g->spill_is_file)
		return sys_write(g->spill, bytes, n);
	n = n < PIPE_BUF ? n : PIPE_BUF;
	r = sys_write_within(g->spill, bytes, n, SPILL_MS);
	return r < 0 ? r : (ssize_t)n;
}

/* A spill file that cannot take any more holds the beginning, and the run goes on. */
static void spill(struct lxe_governor *g, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n && g->spill >= 0) {
		ssize_t done = spill_some(g, p, n);

		if (done <= 0) {
			g->shared->spill_error = done < 0 ? (int)done : -EIO;
			lxe_drop_fd(&g->spill);
			return;
		}
		atomic_fetch_add(&g->shared->spilled, (uint64_t)done);
		p += done;
		n -= (size_t)done;
	}
}

static void fed(struct lxe_governor *g, enum lxe_stream stream, struct iovec parts[2], size_t n)
{
	size_t first = n < parts[0].iov_len ? n : parts[0].iov_len;

	spill(g, parts[0].iov_base, first);
	spill(g, parts[1].iov_base, n - first);
	lxe_headtail_fed(&g->s[stream].h, n);
}

bool lxe_governor_has_room(const struct lxe_governor *g, enum lxe_stream stream)
{
	struct iovec parts[2];

	return lxe_headtail_room(&g->s[stream].h, parts) > 0;
}

ssize_t lxe_governor_read(struct lxe_governor *g, enum lxe_stream stream, int fd, size_t max)
{
	struct iovec parts[2];
	ssize_t n;

	if (!lxe_headtail_room(&g->s[stream].h, parts))
		return -ENOBUFS;
	if (parts[0].iov_len > max)
		parts[0].iov_len = max;
	if (parts[1].iov_len > max - parts[0].iov_len)
		parts[1].iov_len = max - parts[0].iov_len;
	do {
		n = readv(fd, parts, 2);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	fed(g, stream, parts, (size_t)n);
	return n;
}

size_t lxe_governor_put(struct lxe_governor *g, enum lxe_stream stream, const void *bytes, size_t n)
{
	struct lxe_headtail *h = &g->s[stream].h;
	struct iovec parts[2];
	size_t room = lxe_headtail_room(h, parts), first;

	if (lxe_headtail_ended(h))
		return n;
	if (n > room)
		n = room;
	first = n < parts[0].iov_len ? n : parts[0].iov_len;
	memcpy(parts[0].iov_base, bytes, first);
	memcpy(parts[1].iov_base, (const char *)bytes + first, n - first);
	fed(g, stream, parts, n);
	return n;
}

void lxe_governor_end(struct lxe_governor *g, enum lxe_stream stream)
{
	lxe_headtail_end(&g->s[stream].h);
}

bool lxe_governor_pending(struct lxe_governor *g, enum lxe_stream stream)
{
	return lxe_headtail_next(&g->s[stream].h).iov_len > 0;
}

static ssize_t write_some(enum kind kind, int fd, const void *buf, size_t len)
{
	ssize_t n;

	switch (kind) {
	case NONE:
		return -EPIPE;
	case FILE_LIKE:
	case NONBLOCKING:
		return sys_write(fd, buf, len);
	case SOCKET:
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		return n < 0 ? -errno : n;
	case BLOCKING:
		return sys_write_brief(fd, buf, len);
	}
	return -EINVAL;
}

int lxe_governor_push(struct lxe_governor *g, enum lxe_stream stream)
{
	struct lxe_headtail *h = &g->s[stream].h;
	enum kind kind = g->s[stream].kind;
	size_t total = 0;

	while (kind == FILE_LIKE || total < FAIR_SHARE) {
		struct iovec v = lxe_headtail_next(h);
		ssize_t n;

		if (!v.iov_len)
			break;
		n = write_some(kind, g->s[stream].out, v.iov_base, v.iov_len);
		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n < 0)
			return n == -ECONNRESET ? -EPIPE : (int)n;
		lxe_headtail_taken(h, (size_t)n);
		total += (size_t)n;
	}
	return total > 0;
}

void lxe_governor_tell(const struct lxe_governor *g, struct lxe_outcome *o)
{
	const struct shared *shared = g->shared;
	int error = atomic_load(&shared->spill_error);

	o->output_limit = shared->limit;
	o->bytes_out = 0;
	o->truncated = false;
	for (size_t i = 0; i < LXE_STREAMS; i++) {
		lxe_headtail_count(&g->s[i].h, &o->written[i], &o->dropped[i]);
		o->bytes_out += (int64_t)o->written[i];
		o->truncated |= o->dropped[i] > 0;
	}
	o->spills = shared->spills;
	o->spilled = atomic_load(&shared->spilled);
	if (error)
		lxe_reason(error, o->spill_error, sizeof(o->spill_error));
}
