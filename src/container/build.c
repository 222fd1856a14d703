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
#include "sys/tree.h"

#define BUILD_PREFIX ".build-"

struct build {
	const struct lxe_dirs *dirs;
	const char *name;
	char template[PATH_MAX];
	char work_name[LXE_IMAGE_NAME_MAX + sizeof(BUILD_PREFIX)]; /* below images */
	int images;						   /* the directory, locked */
	int old; /* the image to be exchanged, locked, or -EBADF */
	int log;
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

static int find_template(struct build *b, struct lxe_err *err)
{
	int r = lxe_format(b->template, sizeof(b->template), "%s/lxc-templates/lxc-%s",
		b->dirs->data, b->name);

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
	do {
		r = flock(b->images, LOCK_EX) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r < 0 ? lxe_fail(err, r, "lock the images") : 0;
}

static int is_leftover(const struct dirent *e)
{
	return lxe_starts_with(e->d_name, BUILD_PREFIX);
}

/* Whoever made them is gone, and all that it started as well: they would hold the lock. */
static int remove_leftovers(struct build *b)
{
	struct dirent **found;
	int n, r = 0;

	n = scandirat(b->images, ".", &found, is_leftover, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = sys_tree_remove(b->images, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return r;
}

/* 1 when there is a complete image, 0 when there is none, or b->old is set to what is in the way. */
static int look_at_old(struct build *b)
{
	LXE_AUTOCLOSE int dir =
		openat(b->images, b->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool host_trees;

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	if (lxe_image_record_probe(dir, &host_trees) == 0)
		return 1;
	b->old = take_fd(&dir);
	return 0;
}

static int open_old(struct build *b)
{
	if (b->old < 0)
		b->old =
			openat(b->images, b->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->old < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(b->old, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
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

static int publish(const struct build *b, int work)
{
	unsigned int flags = b->old >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	return renameat2(work, b->name, b->images, b->name, flags) < 0 ? -errno : 0;
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
		.log = b->log,
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
	if (r < 0)
		return lxe_fail(err, r, "look for '%s'", b->name);
	if (r == 1 && !replace)
		return 0;
	r = open_old(b);
	if (r == -EBUSY) {
		lxe_fail_msg(err, r, "it is in use");
		lxe_hint(err, "end the sandboxes that run on it first");
		return r;
	}
	if (r == 0)
		r = remove_leftovers(b);
	if (r < 0)
		return lxe_fail(err, r, "remove what was there");
	r = run(b, err);
	cleaned = sys_tree_remove(b->images, b->work_name);
	if (r == 0 && cleaned < 0)
		r = lxe_fail(err, cleaned, "remove '%s'", b->work_name);
	return r;
}

int lxe_image_build(const struct lxe_dirs *dirs, const char *name, bool replace, int log_fd,
	struct lxe_err *err)
{
	struct build b = {
		.dirs = dirs, .name = name, .images = -EBADF, .old = -EBADF, .log = log_fd
	};
	int r;

	r = lxe_image_check_name(name, err);
	if (r < 0)
		return r;
	snprintf(b.work_name, sizeof(b.work_name), BUILD_PREFIX "%s", name);
	r = find_template(&b, err);
	if (r == 0)
		r = lock_images(&b, err);
	if (r == 0)
		r = build_locked(&b, replace, err);
	lxe_close(b.old);
	lxe_close(b.images);
	return r < 0 ? lxe_fail(err, r, "build image '%s'", name) : 0;
}
