#include "store/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/dirs.h"
#include "store/live.h"
#include "store/rootless.h"
#include "sys/dir.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LOG_MAX (64 * 1024)
#define FILE_MAX (16 * 1024 * 1024)
#define LOCK_LOOK_MS 5
#define NEW_LOCK_MS 2000

bool lxe_id_valid(const char *id)
{
	return strlen(id) == LXE_ID_LEN && strspn(id, "0123456789abcdef") == LXE_ID_LEN;
}

int lxe_id_new(char id[LXE_ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[LXE_ID_LEN];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < LXE_ID_LEN; i++)
		id[i] = digits[bytes[i] & 15];
	id[LXE_ID_LEN] = '\0';
	return 0;
}

static int open_parent(const char *base, bool make, struct lxe_err *err)
{
	char path[PATH_MAX];
	int fd, r;

	r = lxe_format(path, sizeof(path), "%s/sandboxes", base);
	if (r < 0)
		return lxe_fail(err, r, "open directory '%s/sandboxes'", base);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && make) {
		r = lxe_dirs_make(path, err);
		if (r < 0)
			return r;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return lxe_fail(err, -errno, "open directory '%s'", path);
	return fd;
}

/*
 * Open a record and take its lock. Between mkdir and flock somebody else may find the directory
 * without an owner and remove it: the link count tells, because the lock is on the directory itself.
 */
/* flock(2) knows no deadline: look again every few milliseconds, until the time is up. */
static int lock_within(int fd, int timeout_ms)
{
	uint64_t end = sys_now_ms() + (uint64_t)timeout_ms;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || sys_now_ms() >= end)
			return -errno;
		poll(NULL, 0, LOCK_LOOK_MS);
	}
	return 0;
}

static int lock_dir(int parent, const char *id, int timeout_ms)
{
	LXE_AUTOCLOSE int dir = openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (dir < 0)
		return -errno;
	r = lock_within(dir, timeout_ms);
	if (r < 0)
		return r;
	if (fstat(dir, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ENOENT;
	return take_fd(&dir);
}

static int open_journal(int dir)
{
	int fd = openat(dir, LXE_SANDBOX_JOURNAL,
		O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

static int make_locked(int parent, char id[LXE_ID_LEN + 1])
{
	int r;

	r = lxe_id_new(id);
	if (r < 0)
		return r;
	if (mkdirat(parent, id, 0711) < 0)
		return -errno;
	/* Somebody may look whether it is free, or find it free and remove it: both are short. */
	r = lock_dir(parent, id, NEW_LOCK_MS);
	if (r == -EWOULDBLOCK || r == -ENOENT)
		return -EEXIST;
	if (r < 0) {
		unlinkat(parent, id, AT_REMOVEDIR);
		return r;
	}
	/* The mapped root passes through, whatever the umask of the caller says. */
	if (fchmod(r, 0711) < 0) {
		int e = -errno;

		unlinkat(parent, id, AT_REMOVEDIR);
		lxe_close(r);
		return e;
	}
	return r;
}

int lxe_sandbox_new(struct lxe_sandbox *ret, const char *base, struct lxe_err *err)
{
	LXE_AUTOCLOSE int parent = open_parent(base, true, err);
	struct lxe_sandbox s = LXE_SANDBOX_NONE;

	if (parent < 0)
		return parent;
	/* An id that is taken, or a directory that gc took from under us: try another, a few times. */
	for (int attempt = 0; attempt < 8 && s.dir < 0; attempt++) {
		s.dir = make_locked(parent, s.id);
		if (s.dir < 0 && s.dir != -EEXIST && s.dir != -ENOENT)
			break;
	}
	if (s.dir < 0) {
		lxe_fail(err, s.dir, "make a sandbox directory in '%s/sandboxes'", base);
		lxe_hint(err, "make it writable and free space there, or set LXC_EXEC_RUN_DIR");
		return s.dir;
	}
	s.journal = open_journal(s.dir);
	if (s.journal < 0) {
		int r = lxe_fail(
			err, s.journal, "make the journal in '%s/sandboxes/%s'", base, s.id);

		lxe_hint(err, "free space there, or set LXC_EXEC_RUN_DIR");
		unlinkat(parent, s.id, AT_REMOVEDIR);
		lxe_close(s.dir);
		return r;
	}
	s.parent = take_fd(&parent);
	*ret = s;
	return 0;
}

int lxe_sandbox_adopt(
	struct lxe_sandbox *ret, int parent, int dir, const char *id, struct lxe_err *err)
{
	struct lxe_sandbox s = { .parent = parent, .dir = dir, .journal = -EBADF };
	int r = -EINVAL;

	if (!lxe_id_valid(id)) {
		lxe_fail(err, r, "adopt sandbox '%s'", id);
		goto fail;
	}
	memcpy(s.id, id, sizeof(s.id));
	s.journal = open_journal(dir);
	if (s.journal < 0) {
		r = lxe_fail(err, s.journal, "open the journal of sandbox '%s'", id);
		goto fail;
	}
	*ret = s;
	return 0;
fail:
	lxe_sandbox_release(&s);
	return r;
}

int lxe_sandbox_claim(struct lxe_sandbox *ret, const char *base, const char *id, int timeout_ms,
	struct lxe_err *err)
{
	LXE_AUTOCLOSE int parent = open_parent(base, false, err);
	LXE_AUTOCLOSE int dir = -EBADF;

	if (parent < 0)
		return parent;
	if (!lxe_id_valid(id))
		return lxe_fail(err, -EINVAL, "claim sandbox '%s'", id);
	dir = lock_dir(parent, id, timeout_ms);
	if (dir < 0)
		return lxe_fail(err, dir, "claim sandbox '%s'", id);
	return lxe_sandbox_adopt(ret, take_fd(&parent), take_fd(&dir), id, err);
}

int lxe_sandbox_is_owned(const char *base, const char *id)
{
	LXE_AUTOCLOSE int parent = open_parent(base, false, NULL);
	LXE_AUTOCLOSE int dir = -EBADF;

	if (parent < 0)
		return parent;
	if (!lxe_id_valid(id))
		return -EINVAL;
	dir = openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* Shared, for the moment between these two lines: a creator waits for so long. */
	if (flock(dir, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : -errno;
	return 0;
}

void lxe_sandbox_release(struct lxe_sandbox *s)
{
	lxe_drop_fd(&s->journal);
	lxe_drop_fd(&s->dir);
	lxe_drop_fd(&s->parent);
}

int lxe_sandbox_list(const char *base, struct lxe_strv *ids, struct lxe_err *err)
{
	int fd = open_parent(base, false, NULL), r = 0;
	SYS_AUTODIR DIR *dir = NULL;
	const struct dirent *entry;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return lxe_fail(err, fd, "open directory '%s/sandboxes'", base);
	dir = sys_dir_read(fd, &r);
	while ((entry = sys_dir_next(dir, &r)))
		if (lxe_id_valid(entry->d_name))
			r = lxe_strv_add(ids, entry->d_name);
	return r < 0 ? lxe_fail(err, r, "read directory '%s/sandboxes'", base) : 0;
}

void lxe_sandbox_log(const struct lxe_sandbox *s, const char *line)
{
	LXE_AUTOCLOSE int fd = openat(s->dir, LXE_SANDBOX_LOG,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	char escaped[512], text[600], when[32];
	time_t now = time(NULL);
	struct stat st;
	struct tm tm;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > LOG_MAX || !gmtime_r(&now, &tm))
		return;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	lxe_escape(escaped, sizeof(escaped), line, strlen(line));
	if (lxe_format(text, sizeof(text), "%s %s\n", when, escaped) == 0)
		sys_write_all(fd, text, strlen(text));
}

int lxe_sandbox_open_parent(const char *base)
{
	return open_parent(base, false, NULL);
}

int lxe_sandbox_open(const char *base, const char *id)
{
	LXE_AUTOCLOSE int parent = open_parent(base, false, NULL);
	int fd;

	if (parent < 0)
		return parent;
	if (!lxe_id_valid(id))
		return -EINVAL;
	fd = openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Under another name first, so that who reads it reads all of it. */
int lxe_sandbox_put(int dir, const char *name, const void *bytes, size_t len)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	char fresh[32];
	int r;

	r = lxe_format(fresh, sizeof(fresh), "%s.new", name);
	if (r < 0)
		return r;
	fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = sys_write_all(fd, bytes, len);
	if (r == 0 && renameat(dir, fresh, dir, name) < 0)
		r = -errno;
	return r;
}

int lxe_sandbox_drop(int dir, const char *name)
{
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int lxe_sandbox_get(int dir, const char *name, unsigned char **ret, size_t *len)
{
	LXE_AUTOCLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char *text = NULL;
	int r;

	if (fd < 0)
		return -errno;
	r = sys_read_whole(fd, FILE_MAX, &text, len);
	if (r == 0)
		*ret = (unsigned char *)text;
	return r;
}

/* 0 when nothing but the journal is in the directory, -ENOTEMPTY when something else is. */
static int only_journal_left(int at)
{
	int r = 0;
	SYS_AUTODIR DIR *dir = sys_dir_read(sys_open_dir(at, "."), &r);
	const struct dirent *entry;

	while ((entry = sys_dir_next(dir, &r)))
		if (strcmp(entry->d_name, LXE_SANDBOX_JOURNAL) != 0)
			r = -ENOTEMPTY;
	return r == -ENOENT ? 0 : r;
}

int lxe_sandbox_remove(struct lxe_sandbox *s)
{
	/* The record first: without it nothing here is kept, whoever finds it. */
	static const char *const files[] = { LXE_SANDBOX_RECORD, LXE_SANDBOX_JOURNAL_NEW,
		LXE_SANDBOX_RECORD_NEW, LXE_SANDBOX_OUTCOME, LXE_SANDBOX_OUTCOME_NEW,
		LXE_SANDBOX_SCROLLBACK, LXE_SANDBOX_SCROLLBACK_NEW, LXE_LIVE_FILE,
		LXE_SANDBOX_DEFERRED, LXE_SANDBOX_DEFERRED_NEW, LXE_SANDBOX_SOCKET, LXE_SANDBOX_LOG,
		LXE_SANDBOX_BLOCKED, LXE_SANDBOX_BLOCKED_NEW, LXE_SANDBOX_DISK, LXE_SANDBOX_BASE,
		LXE_SANDBOX_BASE_NEW, LXE_SANDBOX_SNAPSHOTS, LXE_SANDBOX_SNAPSHOTS_NEW,
		LXE_SANDBOX_COMMIT };
	int r;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (unlinkat(s->dir, files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	r = lxe_tree_remove(s->dir, "rw");
	if (r == 0)
		r = lxe_tree_remove(s->dir, LXE_SANDBOX_DROPPED);
	if (r < 0)
		return r;
	/* What cannot be removed keeps its record. */
	r = only_journal_left(s->dir);
	if (r < 0)
		return r;
	/*
	 * The journal goes last: who dies before this line leaves a record that can be replayed,
	 * who dies after it leaves an empty directory, and both are cleared by the next claim.
	 */
	if (unlinkat(s->dir, LXE_SANDBOX_JOURNAL, 0) < 0 && errno != ENOENT)
		return -errno;
	if (unlinkat(s->parent, s->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}
