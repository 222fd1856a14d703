#include "container/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "container/confined.h"
#include "container/publish.h"
#include "container/settle.h"
#include "container/unpack.h"
#include "container/workdir.h"
#include "container/worker.h"
#include "store/imageconfig.h"
#include "store/imagedir.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/userns.h"

/* Below the work's directory, and gone with it. */
#define SCRATCH "scratch"

struct importing {
	const struct lxe_import *import;
	int target, scratch, userns;
	const char *state;
	int lock;
	bool rootless; /* as the keeper is: the worker is root in its namespace */
};

static const char *kind_name(enum lxe_import_kind kind)
{
	switch (kind) {
	case LXE_IMPORT_TAR:
		return "tar";
	case LXE_IMPORT_DIR:
		return "directory";
	case LXE_IMPORT_OCI:
		return "oci";
	case LXE_IMPORT_RECIPE:
		return "recipe";
	}
	return "";
}

static bool is_archive(enum lxe_import_kind kind)
{
	return kind == LXE_IMPORT_TAR || kind == LXE_IMPORT_RECIPE;
}

/* What skopeo(1) has found; hostile like the rest. */
static int read_config(struct lxe_image_config *ret, int dir, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd =
		openat(dir, LXE_UNPACK_CONFIG, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	LXE_AUTOFREE char *text = NULL;
	struct stat st;
	size_t len = 0;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return lxe_fail_msg(err, -EBADMSG, "it has no configuration");
	r = sys_read_whole(fd, LXE_IMAGE_CONFIG_MAX, &text, &len);
	if (r < 0)
		return lxe_fail(err, r, "read its configuration");
	return lxe_image_config_parse_oci(ret, text, len, err);
}

/* What the image says of its commands: its own words, or those of who has made the archive, who is the caller himself. */
static int find_config(
	const struct lxe_import *import, int dir, struct lxe_image_config *ret, struct lxe_err *err)
{
	*ret = (struct lxe_image_config){ 0 };
	if (import->kind == LXE_IMPORT_OCI)
		return read_config(ret, dir, err);
	if (!import->config)
		return 0;
	return lxe_image_config_parse_oci(ret, import->config, strlen(import->config), err);
}

/* In the worker, where no symlink of the image's leads anywhere else. */
static int furnish(const struct lxe_import *import, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open(LXE_CONFINED_WORK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct lxe_image_config config;
	int r = find_config(import, dir, &config, err);

	if (r < 0)
		return r;
	if (config.cwd)
		r = lxe_workdir_make(LXE_CONFINED_TARGET, config.cwd, err);
	lxe_image_config_release(&config);
	return r;
}

/* In the worker. */
static int unpack(void *arg, int parent, struct lxe_err *err)
{
	const struct importing *i = arg;
	const struct lxe_import *import = i->import;
	const struct lxe_confined confined = {
		.target = i->target,
		.work = i->scratch,
		.source = is_archive(import->kind) ? -EBADF : import->source,
		.source_path = import->path,
		.userns = i->userns,
	};
	const struct lxe_settle settle = {
		.anything = import->kind == LXE_IMPORT_OCI,
		.own = import->kind == LXE_IMPORT_DIR && i->rootless,
	};
	int r;

	r = lxe_confined_enter(&confined, parent, err);
	if (r < 0)
		return r;
	switch (import->kind) {
	case LXE_IMPORT_TAR:
	case LXE_IMPORT_RECIPE:
		r = lxe_unpack_tar(import->source, err);
		break;
	case LXE_IMPORT_DIR:
		r = lxe_unpack_dir(err);
		break;
	case LXE_IMPORT_OCI:
		r = lxe_unpack_oci(import->tag, err);
		break;
	}
	if (r == 0)
		r = furnish(import, err);
	return r < 0 ? r : lxe_settle(LXE_CONFINED_TARGET, &settle, err);
}

static int run_worker(struct importing *i, struct lxe_err *err)
{
	struct lxe_tail said = { .used = 0 };
	const int keep[] = { i->import->source, i->target, i->scratch, i->userns };
	const struct lxe_worker worker = {
		.what = "the unpacking",
		.disk = i->state,
		.lock = i->lock,
		.timeout_ms = LXE_IMAGE_FILL_MS,
		.waiter = i->import->waiter,
		.main = unpack,
		.arg = i,
		.keep = keep,
		.n_keep = sizeof(keep) / sizeof(keep[0]),
	};
	int r = lxe_worker_run(&worker, &said, err);
	char line[300];

	if (r < 0 && err && !err->msg[0]) {
		lxe_tail_line(&said, line, sizeof(line));
		lxe_fail_msg(err, r, "%s", line[0] ? line : "the unpacking was ended");
	}
	return r;
}

static int write_config(const struct importing *i, int image, struct lxe_err *err)
{
	struct lxe_image_config config;
	int r = find_config(i->import, i->scratch, &config, err);

	if (r < 0)
		return r;
	r = lxe_image_config_write(&config, image);
	lxe_image_config_release(&config);
	return r < 0 ? lxe_fail(err, r, "write its configuration") : 0;
}

static int make_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0755) < 0)
		return -errno;
	/* What is made in a user's namespace is its root's: this is not done by a worker of his. */
	if (lxe_is_rootless() && fchownat(at, name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int fill(void *arg, const struct lxe_image_work *work, struct lxe_err *err)
{
	struct importing i = *(struct importing *)arg;
	LXE_AUTOCLOSE int image = make_dir(work->dir, i.import->name);
	LXE_AUTOCLOSE int target = image < 0 ? image : make_dir(image, "rootfs");
	LXE_AUTOCLOSE int scratch = make_dir(work->dir, SCRATCH);
	LXE_AUTOCLOSE int userns = -EBADF;
	int r;

	if (target < 0 || scratch < 0)
		return lxe_fail(err, target < 0 ? target : scratch, "make its directories");
	/* What cp(1) copies is seen with its true owners; its names lead nowhere else either. */
	if (i.import->ids_count && i.import->kind != LXE_IMPORT_DIR) {
		userns = sys_userns_mapped(i.import->ids_start, i.import->ids_count);
		if (userns < 0)
			return lxe_fail(err, userns, "make a user namespace");
	}
	i.userns = userns;
	i.target = target;
	i.scratch = scratch;
	i.lock = work->images;
	r = run_worker(&i, err);
	return r < 0 ? r : write_config(&i, image, err);
}

int lxe_image_import(const struct lxe_import *import, struct lxe_err *err)
{
	struct importing i = {
		.import = import, .state = import->dirs->state, .rootless = lxe_is_rootless()
	};
	const struct lxe_image_order order = {
		.dirs = import->dirs,
		.name = import->name,
		.template = kind_name(import->kind),
		.source = import->path,
		.guard = import->replace,
		.existing = import->replace ? LXE_IMAGE_REPLACE : LXE_IMAGE_REFUSE,
		.waiter = import->waiter,
		.fill = fill,
		.arg = &i,
	};
	int r = lxe_image_check_name(import->name, err);

	if (r == 0 && strcmp(import->name, "host") == 0)
		r = lxe_fail_msg(err, -EINVAL, "'host' is this machine's own");
	if (r == 0)
		r = lxe_image_make(&order, err);
	return r < 0 ? lxe_fail(err, r, "import image '%s'", import->name) : 0;
}
