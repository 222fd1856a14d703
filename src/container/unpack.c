#include "container/unpack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/confined.h"
#include "container/feed.h"
#include "container/pipeline.h"
#include "sys/dir.h"

/*
 * Names and links that would lead out of the directory are refused by tar(1) itself, or changed, which it says. What an
 * archive has in /dev is left out: a sandbox has its own. Block numbers are printed with how the archive has ended.
 */
static const char *const tar[] = { "tar", "-x", "-f", "-", "-C", LXE_CONFINED_TARGET, "-p",
	"--same-owner", "--numeric-owner", "--delay-directory-restore", "--xattrs",
	"--xattrs-include=user.*", "--xattrs-include=security.capability", "--acls",
	"--block-number", "--warning=no-timestamp", "--warning=no-unknown-keyword", "--anchored",
	"--exclude=./dev/*", "--exclude=dev/*", NULL };

/* tar takes one that was cut off between two files for whole. */
static int check_end(int printed, struct lxe_err *err)
{
	char text[128];
	ssize_t n = pread(printed, text, sizeof(text) - 1, 0);

	if (n < 0)
		return lxe_fail(err, -errno, "unpack the archive");
	text[n] = '\0';
	if (!strstr(text, "** End of File **"))
		return 0;
	lxe_hint(err, "fetch it again, or make it again");
	return lxe_fail_msg(err, -EINVAL, "unpack the archive: unexpected EOF: it was cut off");
}

int lxe_unpack_tar(int archive, struct lxe_err *err)
{
	LXE_AUTOCLOSE int printed = memfd_create("lxe-tar", MFD_CLOEXEC);
	struct lxe_pipeline p = { .input = -EBADF, .output = printed };
	struct lxe_feed feed;
	const char *package = NULL;
	const char *const *unpacker;
	char line[400];
	int r;

	if (printed < 0)
		return lxe_fail(err, -errno, "unpack the archive");
	r = lxe_feed_begin(&feed, archive);
	if (r < 0)
		return lxe_fail(err, r, "read the archive");
	if (feed.n == 0)
		return lxe_fail_msg(err, -EINVAL, "the archive is empty");
	p.stages[p.n++] = (struct lxe_stage){ .main = lxe_feed_main, .arg = &feed };
	unpacker = lxe_feed_unpacker(&feed, &package);
	if (unpacker)
		p.stages[p.n++] = (struct lxe_stage){ .argv = unpacker, .package = package };
	p.stages[p.n++] = (struct lxe_stage){ .argv = tar };
	r = lxe_pipeline_run(&p, line, sizeof(line), err);
	if (r < 0)
		return lxe_fail(err, r, "unpack the archive");
	if (!strstr(line, ": Removing leading"))
		return check_end(printed, err);
	lxe_hint(err, "make it in the directory itself: tar -C DIR -c .");
	return lxe_fail_msg(err, -EINVAL, "unpack the archive: it has names that lead out of it");
}

static int is_copied(const struct dirent *e)
{
	return !sys_is_dots(e->d_name) && strcmp(e->d_name, "dev") != 0;
}

/* What is mounted there stays behind: an empty directory is for a sandbox to mount on. */
static int add_copied(struct lxe_strv *argv, int dir, dev_t dev)
{
	struct dirent **found;
	struct stat st;
	int n = scandirat(dir, ".", &found, is_copied, alphasort), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		char path[sizeof(found[i]->d_name) + 2];

		if (r == 0 && fstatat(dir, found[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_dev == dev)
			r = lxe_format(path, sizeof(path), "./%s", found[i]->d_name);
		else
			path[0] = '\0';
		if (r == 0 && path[0])
			r = lxe_strv_add(argv, path);
		free(found[i]);
	}
	free(found);
	return r;
}

static int copy_from(int dir, dev_t dev, struct lxe_err *err)
{
	static const char *const words[] = { "cp", "-a", "-x", "--reflink=auto", "--sparse=auto",
		"-t", LXE_CONFINED_TARGET, "--" };
	struct lxe_pipeline p = {
		.n = 1,
		.input = -EBADF,
		.output = -EBADF,
		.cwd = LXE_CONFINED_SOURCE,
	};
	const size_t n = sizeof(words) / sizeof(words[0]);
	struct lxe_strv argv = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = lxe_strv_add(&argv, words[i]);
	if (r == 0)
		r = add_copied(&argv, dir, dev);
	if (r < 0)
		lxe_fail(err, r, "list the directory");
	else if (argv.n == n)
		r = lxe_fail_msg(err, -EINVAL, "the directory is empty");
	p.stages[0].argv = (const char *const *)argv.v;
	if (r == 0)
		r = lxe_pipeline_run(&p, NULL, 0, err);
	lxe_strv_release(&argv);
	return r;
}

int lxe_unpack_dir(struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open(LXE_CONFINED_SOURCE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return lxe_fail(err, -errno, "open the directory");
	r = copy_from(dir, st.st_dev, err);
	return r < 0 ? lxe_fail(err, r, "copy the directory") : 0;
}
