#include "container/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/template.h"
#include "store/imagedir.h"
#include "store/rootless.h"
#include "sys/tree.h"

/* For the lock that another build holds, and for that of a look at the image (image ls). */
#define LOCK_PAUSE_MS 20
#define LOCK_OLD_TRIES 5
#define TEMPLATE_TIMEOUT_MS 300000

struct build {
	const struct lxe_dirs *dirs;
	const char *name;
	char template[PATH_MAX];
	char work_name[LXE_IMAGE_NAME_MAX + sizeof(LXE_IMAGE_BUILD)]; /* below images */
	int images;						      /* the directory, locked */
	const struct lxe_waiter *waiter;
};

static int is_template(const struct dirent *e)
{
	return lxe_starts_with(e->d_name, "lxc-");
}

static void hint_at_templates(const struct lxe_dirs *dirs, struct lxe_err *err)
{
	char path[PATH_MAX], names[160] = "";
	struct dirent **found;
	size_t used = 0;
	int n;

	if (lxe_format(path, sizeof(path), "%s/lxc-templates", dirs->data) < 0)
		return;
	n = scandir(path, &found, is_template, alphasort);
	for (int i = 0; i < n; i++) {
		const char *comma = used ? ", " : "", *name = found[i]->d_name + strlen("lxc-");

		if (lxe_format(names + used, sizeof(names) - used, "%s%s", comma, name) == 0)
			used += strlen(names + used);
		names[used] = '\0';
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	if (used)
		lxe_hint(err, "there are templates for %s", names);
	else
		lxe_hint(err, "'%s' holds no templates: install lxc-exec again", path);
}

static int template_path(char *buf, size_t size, const struct lxe_dirs *dirs, const char *name)
{
	return lxe_format(buf, size, "%s/lxc-templates/lxc-%s", dirs->data, name);
}

bool lxe_image_has_template(const struct lxe_dirs *dirs, const char *name)
{
	char path[PATH_MAX];

	return template_path(path, sizeof(path), dirs, name) == 0 && access(path, F_OK) == 0;
}

static int find_template(struct build *b, struct lxe_err *err)
{
	int r = template_path(b->template, sizeof(b->template), b->dirs, b->name);

	if (r < 0)
		return lxe_fail(err, r, "find template 'lxc-%s'", b->name);
	if (access(b->template, X_OK) == 0)
		return 0;
	r = lxe_fail(err, -errno, "find template 'lxc-%s'", b->name);
	hint_at_templates(b->dirs, err);
	return r;
}

/* The lock is on the directory of all images: builds are rare, and a lock file would stay. */
static int lock_images(struct build *b, struct lxe_err *err)
{
	int r;

	b->images = lxe_imagedir_open(b->dirs->state, true, err);
	if (b->images < 0)
		return b->images;
	while (flock(b->images, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? lxe_waiter_pause(b->waiter, LOCK_PAUSE_MS) : -errno;
		if (r < 0)
			return lxe_fail(err, r, "lock the images");
	}
	return 0;
}

static int open_named(const struct build *b)
{
	int dir = openat(b->images, b->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return dir < 0 ? -errno : dir;
}

/* Of the image that is there: 1 when it is complete, 0 when it is not, or -ENOENT. */
static int look_at_old(const struct build *b)
{
	LXE_AUTOCLOSE int dir = open_named(b);
	bool host_trees;

	if (dir < 0)
		return dir;
	return lxe_image_record_probe(dir, &host_trees) == 0;
}

/* Sandboxes hold it for as long as they live, everybody else for a moment. */
static int lock_old(const struct build *b, int dir)
{
	int r;

	for (int left = LOCK_OLD_TRIES; flock(dir, LOCK_EX | LOCK_NB) < 0; left--) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (left == 1)
			return -EBUSY;
		r = lxe_waiter_pause(b->waiter, LOCK_PAUSE_MS);
		if (r < 0)
			return r;
	}
	return 0;
}

static int describe_busy(struct lxe_err *err)
{
	lxe_fail_msg(err, -EBUSY, "it is in use");
	lxe_hint(err, "end the sandboxes that run on it first");
	return -EBUSY;
}

/* Asked before anything takes time; the lock itself is taken when there is something to put there. */
static int refuse_if_used(const struct build *b, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open_named(b);
	int r = dir == -ENOENT ? 0 : dir;

	if (dir >= 0)
		r = lock_old(b, dir);
	if (r == -EBUSY)
		return describe_busy(err);
	return r < 0 ? lxe_fail(err, r, "look for '%s'", b->name) : 0;
}

static void now_rfc3339(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* liblxc makes the directory 0770, and leaves a configuration that says where it was built. */
static int complete(const struct build *b, int dir)
{
	struct lxe_image_record record = { .host_trees = strcmp(b->name, "host") == 0 };
	int r;

	if (unlinkat(dir, "config", 0) < 0 && errno != ENOENT)
		return -errno;
	if (fchmodat(dir, "rootfs", 0755, 0) < 0 || fchmod(dir, 0755) < 0)
		return -errno;
	/* Its files are those of the sandboxes' root, but it is the user's to take away. */
	if (lxe_is_rootless() && fchown(dir, geteuid(), getegid()) < 0)
		return -errno;
	r = lxe_format(record.name, sizeof(record.name), "%s", b->name);
	if (r == 0)
		r = lxe_format(record.template, sizeof(record.template), "%s", b->name);
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
static int exchange(const struct build *b, int work)
{
	LXE_AUTOCLOSE int old = open_named(b);
	unsigned int flags = RENAME_EXCHANGE;
	int r = old;

	if (old == -ENOENT)
		flags = RENAME_NOREPLACE;
	else if (old >= 0)
		r = lock_old(b, old);
	if (r < 0 && r != -ENOENT)
		return r;
	return renameat2(work, b->name, b->images, b->name, flags) < 0 ? -errno : 0;
}

static int publish(const struct build *b, int work)
{
	int r = exchange(b, work);

	/* It was removed between the open and the lock: then there is nothing to exchange. */
	return r == -ENOENT ? exchange(b, work) : r;
}

static int finish(const struct build *b, struct lxe_err *err)
{
	LXE_AUTOCLOSE int work =
		openat(b->images, b->work_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	LXE_AUTOCLOSE int dir =
		work < 0 ? -EBADF
			 : openat(work, b->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (dir < 0)
		return lxe_fail(err, -errno, "open what was built");
	r = complete(b, dir);
	if (r == 0)
		r = publish(b, work);
	if (r == -EBUSY)
		return describe_busy(err);
	return r < 0 ? lxe_fail(err, r, "complete it") : 0;
}

static int run(const struct build *b, struct lxe_err *err)
{
	char lxcpath[PATH_MAX];
	const struct lxe_template template = {
		.path = b->template,
		.lxcpath = lxcpath,
		.name = b->name,
		.dirs = b->dirs,
		.lock = b->images,
		.timeout_ms = TEMPLATE_TIMEOUT_MS,
		.waiter = b->waiter,
	};
	int r = lxe_format(lxcpath, sizeof(lxcpath), "%s/images/%s", b->dirs->state, b->work_name);

	if (r < 0)
		return lxe_fail(err, r, "name '%s'", b->work_name);
	if (mkdirat(b->images, b->work_name, 0711) < 0)
		return lxe_fail(err, -errno, "make directory '%s'", lxcpath);
	r = lxe_template_run(&template, err);
	return r < 0 ? r : finish(b, err);
}

static int build_locked(struct build *b, bool replace, struct lxe_err *err)
{
	int r, cleaned;

	r = look_at_old(b);
	if (r < 0 && r != -ENOENT)
		return lxe_fail(err, r, "look for '%s'", b->name);
	if (r == 1 && !replace)
		return 0;
	r = refuse_if_used(b, err);
	if (r < 0)
		return r;
	r = lxe_imagedir_sweep(b->images, false, NULL, NULL);
	if (r < 0)
		return lxe_fail(err, r, "remove what was there");
	r = run(b, err);
	cleaned = lxe_tree_remove(b->images, b->work_name);
	if (r == 0 && cleaned < 0)
		r = lxe_fail(err, cleaned, "remove '%s'", b->work_name);
	return r;
}

int lxe_image_build(const struct lxe_dirs *dirs, const char *name, bool replace,
	const struct lxe_waiter *waiter, struct lxe_err *err)
{
	struct build b = { .dirs = dirs, .name = name, .images = -EBADF, .waiter = waiter };
	int r;

	r = lxe_image_check_name(name, err);
	if (r < 0)
		return r;
	snprintf(b.work_name, sizeof(b.work_name), LXE_IMAGE_BUILD "%s", name);
	r = find_template(&b, err);
	if (r == 0)
		r = lock_images(&b, err);
	if (r == 0)
		r = build_locked(&b, replace, err);
	lxe_close(b.images);
	return r < 0 ? lxe_fail(err, r, "build image '%s'", name) : 0;
}
