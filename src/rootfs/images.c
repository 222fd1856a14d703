#include "rootfs/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "rootfs/imageusers.h"
#include "store/rootless.h"

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int visit_one(
	int images, const char *name, lxe_image_visit visit, void *arg, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir =
		openat(images, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct lxe_image_info info = { .name = name };

	/* A plain file is none of ours; what went away meanwhile is no image any more. */
	if (dir < 0)
		return errno == ENOTDIR || errno == ELOOP || errno == ENOENT
			       ? 0
			       : lxe_fail(err, -errno, "look at image '%s'", name);
	info.complete = lxe_image_record_read(&info.record, dir) == 0;
	info.in_use = flock(dir, LOCK_EX | LOCK_NB) < 0;
	return visit(arg, &info);
}

int lxe_image_list(const char *state, lxe_image_visit visit, void *arg, struct lxe_err *err)
{
	struct lxe_err ignored = { 0 };
	LXE_AUTOCLOSE int images = lxe_imagedir_open(state, false, &ignored);
	struct dirent **found;
	int n, r = 0;

	if (images == -ENOENT)
		return 0;
	if (images < 0)
		return lxe_fail_msg(err, images, "list images: %s", ignored.msg);
	n = scandirat(images, ".", &found, is_visible, alphasort);
	if (n < 0)
		return lxe_fail(err, -errno, "list images");
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = visit_one(images, found[i]->d_name, visit, arg, err);
		free(found[i]);
	}
	free(found);
	return r;
}

/* The record goes first: if we are interrupted, what is left says itself that it is incomplete. */
static int remove_locked(int images, int dir, const char *name)
{
	if (unlinkat(dir, LXE_IMAGE_RECORD, 0) < 0 && errno != ENOENT)
		return -errno;
	return lxe_tree_remove(images, name);
}

static int lock_for_removal(int images, const char *name)
{
	LXE_AUTOCLOSE int dir =
		openat(images, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st, named;

	if (dir < 0)
		return -errno;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* A build may have put another there meanwhile, which nobody has locked. */
	if (fstat(dir, &st) < 0 || fstatat(images, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return st.st_ino == named.st_ino ? take_fd(&dir) : -EBUSY;
}

int lxe_image_refuse_kept(const char *state, const char *name, struct lxe_err *err)
{
	char sandbox[129], record[PATH_MAX];
	int r = lxe_format(record, sizeof(record), "%s/images/%s/" LXE_IMAGE_RECORD, state, name);

	/* One that is half there has to go before it can be made again. */
	if (r == 0 && access(record, F_OK) < 0)
		return 0;
	if (r == 0)
		r = lxe_image_kept_by(state, name, sandbox, sizeof(sandbox));
	if (r <= 0)
		return r < 0 ? lxe_fail(err, r, "look who uses image '%s'", name) : 0;
	lxe_hint(err, "lxc-exec destroy %s first", sandbox);
	return lxe_fail_msg(err, -EBUSY,
		"image '%s' is in use: what sandbox '%s' has kept lies on it", name, sandbox);
}

int lxe_image_remove(const char *state, const char *name, struct lxe_err *err)
{
	LXE_AUTOCLOSE int images = -EBADF, dir = -EBADF;
	int r;

	r = lxe_image_check_name(name, err);
	if (r < 0)
		return r;
	images = lxe_imagedir_open(state, false, err);
	if (images < 0)
		return lxe_fail(err, images, "remove image '%s'", name);
	dir = lock_for_removal(images, name);
	if (dir == -EBUSY) {
		lxe_fail_msg(err, -EBUSY, "image '%s' is in use", name);
		lxe_hint(err, "end the sandboxes that run on it first");
		return -EBUSY;
	}
	if (dir < 0)
		return lxe_fail(err, dir, "remove image '%s'", name);
	r = lxe_image_refuse_kept(state, name, err);
	if (r < 0)
		return r;
	r = remove_locked(images, dir, name);
	return r < 0 ? lxe_fail(err, r, "remove image '%s'", name) : 0;
}

struct collection {
	const char *state;
	lxe_image_report report;
	void *arg;
};

static void report_leftover(void *arg, const char *name, int r)
{
	const struct collection *c = arg;
	struct lxe_err err = { 0 };

	if (r < 0)
		lxe_fail(&err, r, "remove '%s/images/" LXE_IMAGE_BUILD "%s'", c->state, name);
	c->report(c->arg, name, r < 0 ? err.msg : NULL);
}

int lxe_image_collect(
	const char *state, bool dry_run, lxe_image_report report, void *arg, struct lxe_err *err)
{
	struct collection c = { .state = state, .report = report, .arg = arg };
	struct lxe_err failure = { 0 };
	LXE_AUTOCLOSE int images = lxe_imagedir_open(state, false, &failure);

	if (images == -ENOENT)
		return 0;
	if (images < 0)
		return lxe_fail_msg(err, images, "look for unfinished builds: %s", failure.msg);
	if (flock(images, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0
					    : lxe_fail(err, -errno, "look for unfinished builds");
	/* What cannot be removed has been reported. */
	lxe_imagedir_sweep(images, dry_run, report_leftover, &c);
	return 0;
}
