#include "keeper/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "keeper/keeper.h"
#include "keeper/view.h"
#include "rootfs/aliases.h"
#include "rootfs/place.h"
#include "sys/mount.h"

#define ROOTFS LXE_VIEW_DIR "/m"
#define HIDDEN "/run/lxe-hidden"

/* Mounts of the sandbox's, by their ids, before any bind. */
struct own {
	uint64_t tmp, home;
};

bool lxe_keeper_shifts(const struct lxe_keeper *k)
{
	const struct lxe_mounts *list = &k->main->spec.mounts;

	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].kind == LXE_MOUNT_BIND && !list->v[i].unshifted)
			return true;
	return false;
}

int lxe_keeper_open_sources(struct lxe_keeper *k, struct lxe_sources *ret, struct lxe_err *err)
{
	const char *run = getenv("LXC_EXEC_RUN_DIR"); /* as lxe_spawn_keeper() has put it */
	const char *const own[LXE_HIDDEN] = { k->main->request.dirs.state, run };

	if (!k->main->spec.mounts.n)
		return 0;
	if (!run)
		return lxe_fail_msg(err, -EINVAL, "the keeper was not told its run directory");
	return lxe_sources_open(ret, &k->main->spec.mounts, &k->idmap, own, err);
}

/* Everything below is another mount's, and denied with it. */
static int deny_below(struct lxe_strv *ret, const struct sys_mounts *mounts, const char *path)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < mounts->n; i++) {
		const struct sys_mount_row *row = &mounts->v[i];
		const char *rest = sys_path_below(row->point, path);
		struct sys_object object = { .dev = row->dev };

		if (!rest || !*rest)
			continue;
		r = lxe_format(object.path, sizeof(object.path), "%s", row->root);
		if (r == 0)
			r = lxe_aliases_find(ret, mounts, ROOTFS, &object);
	}
	return r;
}

/* What is not there, or only in /proc or the like, the command's own process looks for. */
static int deny_aliases(
	struct lxe_strv *ret, const struct sys_mounts *mounts, int root, const char *path)
{
	LXE_AUTOCLOSE int fd = sys_find_in_root(root, path, true);
	char real[sizeof(ROOTFS) + PATH_MAX];
	struct sys_object object;
	const char *rest;
	int r;

	if (fd < 0)
		return 0;
	r = sys_mounts_locate(mounts, fd, &object);
	if (r < 0)
		return r;
	rest = sys_path_below(object.path, object.row->root);
	r = lxe_format(real, sizeof(real), "%s%s", object.row->point, rest ? rest : "");
	if (r == 0)
		r = lxe_aliases_find(ret, mounts, ROOTFS, &object);
	return r < 0 ? r : deny_below(ret, mounts, real);
}

static int find_denied(struct lxe_keeper *k, const struct sys_mounts *mounts, struct lxe_err *err)
{
	LXE_AUTOCLOSE int root = open(ROOTFS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct lxe_strv *deny = &k->main->spec.deny;
	int r = root < 0 ? -errno : 0;

	/* As they were asked for come first: a failure is told by its place in the list. */
	for (size_t i = 0; r == 0 && i < deny->n; i++)
		r = lxe_strv_add(&k->denied, deny->v[i]);
	for (size_t i = 0; r == 0 && i < deny->n; i++)
		r = deny_aliases(&k->denied, mounts, root, deny->v[i]);
	return r < 0 ? lxe_fail(err, r, "find what is denied in the binds") : 0;
}

/* Before the container is there, so nobody inside can take it away. */
static int cover(const char *inside)
{
	LXE_AUTOCLOSE int fd = sys_mount_clone(AT_FDCWD, HIDDEN, false);
	char path[sizeof(ROOTFS) + PATH_MAX];
	int r = fd;

	if (r >= 0)
		r = sys_mount_change(fd, false,
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				MOUNT_ATTR_NOEXEC,
			-EBADF);
	if (r == 0)
		r = lxe_format(path, sizeof(path), "%s%s", ROOTFS, inside);
	return r < 0 ? r : sys_mount_attach(fd, AT_FDCWD, path);
}

static uint64_t mount_of(const char *inside)
{
	char path[sizeof(ROOTFS) + PATH_MAX];
	LXE_AUTOCLOSE int fd = -EBADF;
	uint64_t id = 0;

	if (lxe_format(path, sizeof(path), "%s%s", ROOTFS, inside) == 0)
		fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || sys_mount_id(fd, &id) < 0 ? 0 : id;
}

/* The sandbox's own /tmp and /root are in our directories where its files are on disk: they are there to be seen. */
static bool is_own(const struct own *own, const char *inside)
{
	uint64_t id = mount_of(inside);

	return id && (id == own->tmp || id == own->home);
}

static int hide_own(const struct lxe_sources *sources, const struct sys_mounts *mounts,
	const struct own *own, uid_t nobody, struct lxe_err *err)
{
	struct lxe_strv paths = { 0 };
	int r = mkdir(HIDDEN, 0) < 0 || chown(HIDDEN, nobody, (gid_t)-1) < 0 ? -errno : 0;

	for (size_t i = 0; r == 0 && i < sources->n_hidden; i++)
		r = lxe_aliases_find(&paths, mounts, ROOTFS, &sources->hidden[i]);
	for (size_t i = 0; r == 0 && i < paths.n; i++)
		r = is_own(own, paths.v[i]) ? 0 : cover(paths.v[i]);
	lxe_strv_release(&paths);
	return r < 0 ? lxe_fail(err, r, "cover lxc-exec's own directories in the binds") : 0;
}

static bool has_files(const struct lxe_mounts *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].kind == LXE_MOUNT_FILE)
			return true;
	return false;
}

static int place(struct lxe_keeper *k, struct lxe_sources *sources, struct lxe_err *err)
{
	const struct lxe_spec *spec = &k->main->spec;
	struct lxe_placing how = {
		.rootfs = ROOTFS,
		.root = lxe_idmap_host(&k->idmap, 0),
		.nobody = lxe_idmap_nobody(&k->idmap),
		.user = k->idmap.stored,
		.writable = LXE_VIEW_DIR "/rw",
		.host_trees = k->image.host_trees,
		.secrets = k->main->request.fds[LXE_FD_SECRET] >= 0,
	};
	struct lxe_user user = { 0 };
	int r = 0;

	if (has_files(&spec->mounts))
		r = lxe_user_find(&user, spec->user, ROOTFS, k->idmap.count, err);
	if (r < 0)
		return r;
	how.uid = lxe_idmap_host(&k->idmap, user.uid);
	how.gid = lxe_idmap_host(&k->idmap, user.gid);
	return lxe_place(&how, &spec->mounts, sources, err);
}

/* To whoever looks for an object, a copy-on-write mount shows what it lies over. */
static void show_through(const struct lxe_sources *sources, struct sys_mounts *mounts)
{
	for (size_t i = 0; i < sources->n; i++) {
		const struct lxe_cow_origin *cow = sources->v[i].cow;

		for (size_t k = 0; cow && k < mounts->n; k++)
			if (mounts->v[k].id == cow->mount) {
				mounts->v[k].dev = cow->object.dev;
				mounts->v[k].root = cow->object.path;
			}
	}
}

int lxe_keeper_place(struct lxe_keeper *k, struct lxe_sources *sources, struct lxe_err *err)
{
	struct sys_mounts mounts = { 0 };
	struct own own;
	int r;

	if (!sources->n)
		return 0;
	own = (struct own){ mount_of("/tmp"), mount_of("/root") };
	r = place(k, sources, err);
	if (r == 0)
		r = lxe_cow_take(k, sources, err);
	if (r < 0 || (!sources->n_hidden && !k->main->spec.deny.n))
		return r;
	r = sys_mounts_read(&mounts);
	if (r < 0)
		return lxe_fail(err, r, "read the mounts");
	show_through(sources, &mounts);
	if (sources->n_hidden)
		r = hide_own(sources, &mounts, &own, lxe_idmap_nobody(&k->idmap), err);
	if (r == 0 && k->main->spec.deny.n)
		r = find_denied(k, &mounts, err);
	sys_mounts_release(&mounts);
	return r;
}
