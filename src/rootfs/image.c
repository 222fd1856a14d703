#include "rootfs/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "rootfs/images.h"
#include "rootfs/stack.h"
#include "store/imagedir.h"
#include "sys/mount.h"

struct names {
	char text[160];
	size_t used;
};

static int add_name(void *arg, const struct lxe_image_info *info)
{
	struct names *names = arg;
	size_t room = sizeof(names->text) - names->used;
	const char *comma = names->used ? ", " : "";

	if (!info->complete)
		return 0;
	/* A list that is too long for a hint is cut at a name. */
	if (lxe_format(names->text + names->used, room, "%s%s", comma, info->name) < 0) {
		names->text[names->used] = '\0';
		return -E2BIG;
	}
	names->used += strlen(names->text + names->used);
	return 0;
}

static void hint_at_images(const char *state, const char *name, struct lxe_err *err)
{
	struct names names = { 0 };

	lxe_image_list(state, add_name, &names, NULL);
	if (names.used)
		lxe_hint(err,
			"'lxc-exec image build %s' makes it if there is a template; there is %s",
			name, names.text);
	else
		lxe_hint(err,
			"'lxc-exec image build %s' makes it if there is a template of that name",
			name);
}

/* 1 when `path` leads to what `fd` is, 0 when it has been removed or exchanged. */
static int has_name(int fd, const char *path)
{
	struct stat st, named;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (lstat(path, &named) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_dev == named.st_dev && st.st_ino == named.st_ino;
}

static int lock_shared(int fd)
{
	while (flock(fd, LOCK_SH) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/*
 * Whoever has it locked for himself lists images, exchanges this one or removes it, all of which
 * end. Each further turn needs a further exchange.
 */
static int open_locked(const char *path)
{
	for (;;) {
		LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int r = fd < 0 ? -errno : lock_shared(fd);

		if (r == 0)
			r = has_name(fd, path);
		if (r < 0)
			return r;
		if (r == 1)
			return take_fd(&fd);
	}
}

static int probe_record(bool *host_trees, int dir)
{
	int r = lxe_image_record_probe(dir, host_trees);

	return r == -ENOENT || r == -EBADMSG ? -EUCLEAN : r;
}

static int describe(int r, const char *state, const char *name, struct lxe_err *err)
{
	if (r == -EUCLEAN) {
		lxe_fail_msg(err, r, "image '%s' is incomplete", name);
		lxe_hint(err, "'lxc-exec image rm %s', then 'lxc-exec image build %s'", name, name);
		return r;
	}
	lxe_fail(err, r, "open image '%s'", name);
	if (r == -ENOENT)
		hint_at_images(state, name, err);
	return r;
}

static int open_checked(bool *host_trees, const char *path)
{
	LXE_AUTOCLOSE int dir = open_locked(path);
	int r;

	if (dir < 0)
		return dir;
	r = probe_record(host_trees, dir);
	return r < 0 ? r : take_fd(&dir);
}

int lxe_image_open(struct lxe_image *ret, const char *state, const char *name, struct lxe_err *err)
{
	struct lxe_image image = { .lock = -EBADF, .files = -EBADF };
	char path[PATH_MAX];
	int r;

	r = lxe_image_check_name(name, err);
	if (r < 0)
		return r;
	r = lxe_format(path, sizeof(path), "%s/images/%s", state, name);
	if (r < 0)
		return lxe_fail(err, r, "open image '%s'", name);
	image.lock = open_checked(&image.host_trees, path);
	if (image.lock < 0)
		return describe(image.lock, state, name, err);
	if (lxe_str_set(&image.name, name) < 0) {
		lxe_image_release(&image);
		return lxe_fail(err, -ENOMEM, "open image '%s'", name);
	}
	*ret = image;
	return 0;
}

int lxe_image_take(struct lxe_image *image, struct lxe_err *err)
{
	image->files = sys_mount_clone(image->lock, "rootfs", false);
	if (image->files < 0)
		return lxe_fail(err, image->files, "open the files of image '%s'", image->name);
	return 0;
}

void lxe_image_release(struct lxe_image *image)
{
	lxe_drop_fd(&image->files);
	lxe_stack_free(take_ptr(image->stack));
	lxe_drop_fd(&image->lock);
	free(take_ptr(image->name));
}
