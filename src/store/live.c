#include "store/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MAGIC 0x6c786573u /* "lxes" */
#define VERSION 1u
#define LOOKS 100

struct file {
	uint32_t magic, version;
	struct lxe_live live;
	uint64_t sum;
};

/* FNV-1a over everything before it. */
static uint64_t sum_of(const struct file *f)
{
	const unsigned char *p = (const unsigned char *)f;
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < offsetof(struct file, sum); i++)
		sum = (sum ^ p[i]) * 1099511628211u;
	return sum;
}

int lxe_live_open(int dir)
{
	int fd = openat(dir, LXE_LIVE_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

int lxe_live_write(int fd, const struct lxe_live *live)
{
	struct file f;

	memset(&f, 0, sizeof(f));
	f.magic = MAGIC;
	f.version = VERSION;
	f.live = *live;
	f.sum = sum_of(&f);
	if (pwrite(fd, &f, sizeof(f), 0) != (ssize_t)sizeof(f))
		return errno ? -errno : -ENOSPC;
	return 0;
}

static int read_once(int fd, struct file *f)
{
	ssize_t n = pread(fd, f, sizeof(*f), 0);

	if (n < 0)
		return -errno;
	if (n < (ssize_t)sizeof(f->magic) + (ssize_t)sizeof(f->version) || f->magic != MAGIC)
		return -EBADMSG;
	if (f->version != VERSION)
		return -EPROTONOSUPPORT;
	return n == (ssize_t)sizeof(*f) && f->sum == sum_of(f) ? 0 : -EBADMSG;
}

int lxe_live_read(int dir, struct lxe_live *ret)
{
	LXE_AUTOCLOSE int fd =
		openat(dir, LXE_LIVE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct file f;
	int r = -EBADMSG;

	if (fd < 0)
		return -errno;
	/* A write that is just being done takes microseconds; what stays wrong is wrong. */
	for (int i = 0; i < LOOKS && r == -EBADMSG; i++)
		r = read_once(fd, &f);
	if (r == 0)
		*ret = f.live;
	return r;
}
