#include "client/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define BLOCK 65535 /* the most that deflate stores in one (RFC 1951, 3.2.4) */

/* Descriptors of what the archive is made of. */
struct inside {
	int root, userns;
	int said;
};

static void put32(unsigned char *to, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static void crc_table(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
		table[i] = c;
	}
}

static uint32_t crc_add(const uint32_t table[256], uint32_t crc, const unsigned char *p, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

/* Read what comes, wrap it (RFC 1952), and end it as it must be only if `complete` says so. */
static int wrap(int from, int to, bool (*complete)(void *arg), void *arg)
{
	static const unsigned char head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff };
	unsigned char block[5 + BLOCK] = { 0 }, tail[13] = { 1, 0, 0, 0xff, 0xff };
	uint32_t table[256], crc = 0, size = 0;
	ssize_t n;
	int r = sys_write_all(to, head, sizeof(head));

	crc_table(table);
	while (r == 0 && (n = sys_read(from, block + 5, BLOCK)) != 0) {
		if (n < 0)
			return (int)n;
		block[1] = (unsigned char)n;
		block[2] = (unsigned char)(n >> 8);
		block[3] = (unsigned char)~block[1];
		block[4] = (unsigned char)~block[2];
		crc = crc_add(table, crc, block + 5, (size_t)n);
		size += (uint32_t)n;
		r = sys_write_all(to, block, 5 + (size_t)n);
	}
	if (r < 0 || !complete(arg))
		return r < 0 ? r : -EIO;
	put32(tail + 5, crc);
	put32(tail + 9, size);
	return sys_write_all(to, tail, sizeof(tail));
}

static bool tar_has_succeeded(void *arg)
{
	int status = 0;

	return sys_wait(*(pid_t *)arg, &status) == 0 && status == 0;
}

/* From here on it is root of the sandbox, to whom nothing outside of that belongs. */
static int become_inside(const struct inside *in)
{
	if (setns(in->userns, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 ||
		setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || fchdir(in->root) < 0)
		return -errno;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

__attribute__((noreturn)) static void run_tar(const struct inside *in, int output)
{
	/* The mount points are made anew with the image; what is in them is mounted. */
	static const char *const argv[] = { "tar", "--create", "--file=-", "--format=posix",
		"--one-file-system", "--numeric-owner", "--sparse", "--acls", "--xattrs",
		"--xattrs-include=*", "--anchored", "--exclude=./proc", "--exclude=./sys",
		"--exclude=./dev", ".", NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL };
	int r = become_inside(in);

	if (r == 0 && dup2(output, STDOUT_FILENO) >= 0 && dup2(in->said, STDERR_FILENO) >= 0) {
		execve("/usr/bin/tar", (char *const *)argv, envp);
		execve("/bin/tar", (char *const *)argv, envp);
		r = -errno;
	}
	dprintf(in->said, "start tar: %s\n", strerror(-r));
	_exit(127);
}

static int write_archive(const struct inside *in, int output)
{
	int ends[2];
	pid_t pid;

	/* A reader that goes away ends it, whatever the caller of all this ignores. */
	signal(SIGPIPE, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		run_tar(in, ends[1]);
	close(ends[1]);
	return wrap(ends[0], output, tar_has_succeeded, &pid);
}

static int open_inside(struct inside *ret, pid_t pid)
{
	char path[64];

	lxe_format(path, sizeof(path), "/proc/%d/root", (int)pid);
	ret->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->root < 0)
		return -errno;
	lxe_format(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	ret->userns = open(path, O_RDONLY | O_CLOEXEC);
	return ret->userns < 0 ? -errno : 0;
}

int lxe_archive_begin(struct lxe_archive *ret, pid_t inside, struct lxe_err *err)
{
	struct inside in = { -EBADF, -EBADF, -EBADF };
	int ends[2] = { -EBADF, -EBADF }, r;

	*ret = (struct lxe_archive){ .output = -EBADF, .said = -EBADF };
	r = open_inside(&in, inside);
	in.said = ret->said = memfd_create("lxe-tar", MFD_CLOEXEC);
	if (r == 0 && (in.said < 0 || pipe2(ends, O_CLOEXEC) < 0))
		r = -errno;
	if (r == 0) {
		ret->output = ends[0];
		ret->pid = fork();
		if (ret->pid == 0) {
			close(ends[0]);
			_exit(write_archive(&in, ends[1]) < 0);
		}
		r = ret->pid < 0 ? -errno : 0;
		close(ends[1]);
	}
	lxe_close(in.root);
	lxe_close(in.userns);
	return r < 0 ? lxe_fail(err, r, "read the sandbox's files") : 0;
}

static void last_line(int said, char *buf, size_t size)
{
	char text[1024] = "", *at;
	off_t end = lseek(said, 0, SEEK_END), begin = end > 1000 ? end - 1000 : 0;
	ssize_t n = end > 0 ? pread(said, text, sizeof(text) - 1, begin) : 0;

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	at = strrchr(text, '\n');
	lxe_excerpt(buf, size, at ? at + 1 : text, strlen(at ? at + 1 : text));
}

int lxe_archive_end(struct lxe_archive *archive, struct lxe_err *err)
{
	int status = 0, r = 0;
	char line[200];

	/* Whoever writes to it now is told that nobody reads. */
	lxe_drop_fd(&archive->output);
	if (archive->pid > 0)
		r = sys_wait(archive->pid, &status);
	if (r == 0 && status != 0) {
		last_line(archive->said, line, sizeof(line));
		lxe_hint(err, "what a step leaves running in the background changes files: end it");
		r = lxe_fail_msg(err, line[0] ? -EIO : -EPIPE, "read the sandbox's files: %s",
			line[0] ? line : "it was ended");
	}
	lxe_drop_fd(&archive->said);
	archive->pid = 0;
	return r;
}
