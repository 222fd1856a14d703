#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/dirs.h"
#include "store/slots_layout.h"
#include "sys/fd.h"

/* Made by one, removed by hand, made by another: nobody does that for long. */
#define OPEN_ATTEMPTS 4

static const struct slots_mark mark = {
	.magic = SLOTS_MAGIC,
	.version = SLOTS_VERSION,
	.header_size = SLOTS_HEADER,
	.slot_size = SLOT_SIZE,
	.count = LXE_SLOTS_MAX,
};

static int refuse(struct lxe_err *err, int r, const char *run, const char *why)
{
	lxe_fail_msg(err, r, "the metrics file '%s/" SLOTS_FILE "' %s", run, why);
	lxe_hint(err, "end the sandboxes and remove '%s/" SLOTS_FILE "': it is made anew", run);
	return r;
}

static int check_owner(const struct stat *st, const char *run, struct lxe_err *err)
{
	if (!S_ISREG(st->st_mode))
		return refuse(err, -EBADMSG, run, "is no regular file");
	if (st->st_uid != geteuid())
		return refuse(err, -EPERM, run, "belongs to another user");
	if (st->st_mode & 077)
		return refuse(err, -EPERM, run, "is open to other users");
	return 0;
}

static int check(int fd, const char *run, struct lxe_err *err)
{
	struct slots_mark found;
	struct stat st;
	char why[96];
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return lxe_fail(err, -errno, "look at '%s/" SLOTS_FILE "'", run);
	r = check_owner(&st, run, err);
	if (r < 0)
		return r;
	n = pread(fd, &found, sizeof(found), 0);
	if (n < 0)
		return lxe_fail(err, -errno, "read '%s/" SLOTS_FILE "'", run);
	if (n != sizeof(found) || memcmp(found.magic, mark.magic, sizeof(mark.magic)) != 0)
		return refuse(err, -EBADMSG, run, "holds something else");
	if (found.version != mark.version) {
		snprintf(why, sizeof(why), "has version %u, this program knows %u", found.version,
			mark.version);
		return refuse(err, -EPROTONOSUPPORT, run, why);
	}
	if (memcmp(&found, &mark, sizeof(mark)) != 0 || st.st_size != SLOTS_SIZE)
		return refuse(err, -EBADMSG, run, "has a wrong size");
	return 0;
}

/*
 * It gets its name when it is complete, so nobody ever opens a part of it, and who dies before has
 * left nothing. -EEXIST: somebody else was first.
 */
static int make(int dir)
{
	LXE_AUTOCLOSE int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, SLOTS_SIZE) < 0 ||
		fallocate(fd, 0, 0, SLOTS_HEADER) < 0)
		return -errno;
	if (pwrite(fd, &mark, sizeof(mark), 0) != sizeof(mark))
		return -EIO;
	return sys_link_fd(fd, dir, SLOTS_FILE);
}

/* O_NONBLOCK: what lies there instead of a file may be a FIFO. */
static int open_existing(int dir)
{
	int fd = openat(dir, SLOTS_FILE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_or_make(int dir)
{
	int r = open_existing(dir);

	for (int i = 0; r == -ENOENT && i < OPEN_ATTEMPTS; i++) {
		r = make(dir);
		if (r < 0 && r != -EEXIST)
			return r;
		r = open_existing(dir);
	}
	return r;
}

static int open_dir(const char *run, enum lxe_slots_use use, struct lxe_err *err)
{
	int r, fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && use == LXE_SLOTS_LOOK)
		return -ENOENT;
	if (fd < 0 && errno == ENOENT) {
		r = lxe_dirs_make(run, err);
		if (r < 0)
			return r;
		fd = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? lxe_fail(err, -errno, "open directory '%s'", run) : fd;
}

static int open_file(int dir, const char *run, enum lxe_slots_use use, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = use == LXE_SLOTS_OWN ? open_or_make(dir) : open_existing(dir);
	int r;

	if (fd == -ENOENT && use == LXE_SLOTS_LOOK)
		return fd;
	if (fd == -ELOOP || fd == -EISDIR || fd == -ENXIO)
		return refuse(err, -EBADMSG, run, "is no regular file");
	if (fd < 0)
		return lxe_fail(err, fd, "open the metrics file '%s/" SLOTS_FILE "'", run);
	r = check(fd, run, err);
	return r < 0 ? r : take_fd(&fd);
}

/*
 * A mapping is a reference to the open file description: inherited, it would keep the locks of an
 * owner that was killed for as long as one of its children lives.
 */
static int map(struct lxe_slots *s, enum lxe_slots_use use)
{
	int prot = use == LXE_SLOTS_OWN ? PROT_READ | PROT_WRITE : PROT_READ;
	char *at = mmap(NULL, SLOTS_SIZE, prot, MAP_SHARED, s->fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	s->header = (struct slots_header *)at;
	s->slot = (struct slot *)(at + SLOTS_HEADER);
	if (madvise(at, SLOTS_SIZE, MADV_DONTFORK) < 0)
		return -errno;
	/* Who reads says in the header that he waits. */
	if (use == LXE_SLOTS_LOOK && mprotect(at, SLOTS_HEADER, PROT_READ | PROT_WRITE) < 0)
		return -errno;
	return 0;
}

int lxe_slots_open(
	struct lxe_slots **ret, const char *run, enum lxe_slots_use use, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open_dir(run, use, err);
	LXE_AUTOCLOSE int fd = dir < 0 ? dir : open_file(dir, run, use, err);
	struct lxe_slots *s;
	int r;

	if (fd < 0)
		return fd;
	s = calloc(1, sizeof(*s));
	if (!s)
		return lxe_fail(err, -ENOMEM, "open the metrics file");
	s->pid = getpid();
	s->fd = take_fd(&fd);
	s->dir = use == LXE_SLOTS_LOOK ? take_fd(&dir) : -EBADF;
	r = map(s, use);
	if (r < 0) {
		lxe_slots_close(s);
		return lxe_fail(err, r, "map the metrics file '%s/" SLOTS_FILE "'", run);
	}
	*ret = s;
	return 0;
}

void lxe_slots_close(struct lxe_slots *s)
{
	if (!s)
		return;
	if (s->header && s->pid == getpid()) {
		for (uint32_t i = 0; i < SLOTS_WORDS; i++)
			while (s->own[i])
				lxe_slots_vacate(s, i * 64 + (uint32_t)__builtin_ctzll(s->own[i]));
		munmap(s->header, SLOTS_SIZE);
	}
	lxe_close(s->fd);
	lxe_close(s->dir);
	free(s);
}
