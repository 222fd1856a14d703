#include "container/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/rootless.h"
#include "sys/tree.h"

/* For the lock that another build holds, and for that of a look at the image (image ls). */
#define LOCK_PAUSE_MS 20
#define LOCK_OLD_TRIES 5

struct work {
	const struct lxe_image_order *order;
	char work_name[LXE_IMAGE_NAME_MAX + sizeof(LXE_IMAGE_BUILD)]; /* below images */
	int images;						      /* the directory, locked */
};

/* The lock is on the directory of all images: builds are rare, and a lock file would stay. */
static int lock_images(struct work *b, struct lxe_err *err)
{
	/* A step on the way, which is shown and not kept. */
	static const char waits[] = "waiting for another image to be made\r";
	bool told = false;
	int r;

	b->images = lxe_imagedir_open(b->order->dirs->state, true, err);
	if (b->images < 0)
		return b->images;
	while (flock(b->images, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		if (r == -EWOULDBLOCK && !told)
			lxe_waiter_say(b->order->waiter, waits, strlen(waits));
		told = true;
		if (r == -EWOULDBLOCK)
			r = lxe_waiter_pause(b->order->waiter, LOCK_PAUSE_MS);
		if (r < 0)
			return lxe_fail(err, r, "lock the images");
	}
	return 0;
}

static int open_named(const struct work *b)
{
	int dir =
		openat(b->images, b->order->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir < 0 ? -errno : dir;
}

/* Of the image that is there: 1 when it is complete, 0 when it is not, or -ENOENT. */
static int look_at_old(const struct work *b)
{
	LXE_AUTOCLOSE int dir = open_named(b);
	bool host_trees;

	if (dir < 0)
		return dir;
	return lxe_image_record_probe(dir, &host_trees) == 0;
}

/* Sandboxes hold it for as long as they live, everybody else for a moment. */
static int lock_old(const struct work *b, int dir)
{
	int r;

	for (int left = LOCK_OLD_TRIES; flock(dir, LOCK_EX | LOCK_NB) < 0; left--) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (left == 1)
			return -EBUSY;
		r = lxe_waiter_pause(b->order->waiter, LOCK_PAUSE_MS);
		if (r < 0)
			return r;
	}
	return 0;
}

static int ask_guard(const struct work *b, struct lxe_err *err)
{
	return b->order->guard ? b->order->guard(b->order->dirs->state, b->order->name, err) : 0;
}

static int describe_busy(struct lxe_err *err)
{
	if (err && err->code)
		return -EBUSY;
	lxe_fail_msg(err, -EBUSY, "it is in use");
	lxe_hint(err, "end the sandboxes that run on it first");
	return -EBUSY;
}

/* Asked before anything takes time; the lock itself is taken when there is something to put there. */
static int refuse_if_used(const struct work *b, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open_named(b);
	int r = dir == -ENOENT ? 0 : dir;

	if (dir >= 0)
		r = lock_old(b, dir);
	if (r == -EBUSY)
		return describe_busy(err);
	if (r < 0)
		return lxe_fail(err, r, "look for '%s'", b->order->name);
	return ask_guard(b, err);
}

static void now_rfc3339(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/*
 * What nobody but the sandboxes' root may use is kept from the host's users: a setuid program in an image would be
 * one of theirs. liblxc leaves a configuration that says where it was built.
 */
static int complete(const struct work *b, int dir)
{
	struct lxe_image_record record = { .host_trees = b->order->host_trees };
	int r;

	if (unlinkat(dir, "config", 0) < 0 && errno != ENOENT)
		return -errno;
	if (fchmodat(dir, "rootfs", 0755, 0) < 0 || fchmod(dir, 0700) < 0)
		return -errno;
	/* Its files are those of the sandboxes' root, but it is the user's to take away. */
	if (lxe_is_rootless() && fchown(dir, geteuid(), getegid()) < 0)
		return -errno;
	r = lxe_format(record.name, sizeof(record.name), "%s", b->order->name);
	if (r == 0)
		r = lxe_format(record.template, sizeof(record.template), "%s", b->order->template);
	/* Only to be shown: what is longer is cut. */
	snprintf(record.source, sizeof(record.source), "%s",
		b->order->source ? b->order->source : "");
	if (r == 0)
		r = sys_tree_size(dir, "rootfs", &record.size);
	if (r < 0)
		return r;
	now_rfc3339(record.created_at, sizeof(record.created_at));
	r = lxe_image_record_write(&record, dir);
	if (r < 0)
		return r;
	/* Otherwise a power cut could leave the record with half of the files. */
	return syncfs(dir) < 0 ? -errno : 0;
}

/* The lock ends with this function: what has no name any more is found by nobody. */
static int exchange(const struct work *b, int work, struct lxe_err *err)
{
	LXE_AUTOCLOSE int old = open_named(b);
	unsigned int flags = RENAME_EXCHANGE;
	int r = old;

	if (old == -ENOENT)
		flags = RENAME_NOREPLACE;
	else if (old >= 0)
		r = lock_old(b, old);
	/* One that was made and has ended meanwhile has left its changes to these very files. */
	if (old >= 0 && r == 0)
		r = ask_guard(b, err);
	if (r < 0 && r != -ENOENT)
		return r;
	return renameat2(work, b->order->name, b->images, b->order->name, flags) < 0 ? -errno : 0;
}

static int publish(const struct work *b, int work, struct lxe_err *err)
{
	int r = exchange(b, work, err);

	/* It was removed between the open and the lock: then there is nothing to exchange. */
	return r == -ENOENT ? exchange(b, work, err) : r;
}

static int finish(const struct work *b, int work, int dir, struct lxe_err *err)
{
	int r = complete(b, dir);

	if (r == 0)
		r = publish(b, work, err);
	if (r == -EBUSY)
		return describe_busy(err);
	return r < 0 ? lxe_fail(err, r, "complete it") : 0;
}

static int run(const struct work *b, struct lxe_err *err)
{
	LXE_AUTOCLOSE int work = -EBADF, dir = -EBADF;
	struct lxe_image_work w = { .images = b->images };
	int r;

	r = lxe_format(w.path, sizeof(w.path), "%s/images/%s", b->order->dirs->state, b->work_name);
	if (r < 0)
		return lxe_fail(err, r, "name '%s'", b->work_name);
	if (mkdirat(b->images, b->work_name, 0700) < 0)
		return lxe_fail(err, -errno, "make directory '%s'", w.path);
	w.dir = work =
		openat(b->images, b->work_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (work < 0)
		return lxe_fail(err, -errno, "open '%s'", w.path);
	r = b->order->fill(b->order->arg, &w, err);
	if (r < 0)
		return r;
	dir = openat(work, b->order->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return lxe_fail(err, -errno, "open what was built");
	return finish(b, work, dir, err);
}

/* 1: there is one already, which is left alone. */
static int look_first(const struct work *b, struct lxe_err *err)
{
	int r = look_at_old(b);

	if (r < 0 && r != -ENOENT)
		return lxe_fail(err, r, "look for '%s'", b->order->name);
	if (r == 1 && b->order->existing == LXE_IMAGE_REFUSE) {
		lxe_hint(err, "--force replaces it");
		return lxe_fail_msg(err, -EEXIST, "there is one of that name");
	}
	if (r == 1 && b->order->existing == LXE_IMAGE_LEAVE)
		return 1;
	return refuse_if_used(b, err);
}

static int make_locked(struct work *b, struct lxe_err *err)
{
	int r, cleaned;

	r = look_first(b, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = lxe_imagedir_sweep(b->images, false, NULL, NULL);
	if (r < 0)
		return lxe_fail(err, r, "remove what was there");
	r = run(b, err);
	cleaned = lxe_tree_remove(b->images, b->work_name);
	if (r == 0 && cleaned < 0)
		r = lxe_fail(err, cleaned, "remove '%s'", b->work_name);
	return r;
}

int lxe_image_make(const struct lxe_image_order *order, struct lxe_err *err)
{
	struct work b = { .order = order, .images = -EBADF };
	int r;

	r = lxe_format(b.work_name, sizeof(b.work_name), LXE_IMAGE_BUILD "%s", order->name);
	if (r < 0)
		return lxe_fail(err, r, "name the work on '%s'", order->name);
	r = lock_images(&b, err);
	if (r == 0)
		r = make_locked(&b, err);
	lxe_close(b.images);
	return r;
}
