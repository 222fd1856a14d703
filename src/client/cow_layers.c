#include "client/cow_layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/again.h"
#include "client/join.h"
#include "rootfs/cow.h"
#include "rootfs/disk.h"
#include "store/rootless.h"
#include "sys/mount.h"

#define IDS 65536u /* that a sandbox has */
#define RECORD "record"

void lxe_cow_layers_release(struct lxe_cow_layers *layers)
{
	for (size_t i = 0; i < layers->n; i++) {
		struct lxe_cow_one *one = &layers->v[i];

		lxe_close(one->source);
		lxe_close(one->dir);
		lxe_close(one->layer.lower);
		lxe_close(one->layer.upper);
		lxe_close(one->layer.record);
		free(one->real);
	}
	free(layers->v);
	lxe_close(layers->keeper);
	if (layers->held.dir >= 0 && !layers->borrowed)
		lxe_sandbox_release(&layers->held);
	lxe_info_release(&layers->info);
	*layers = (struct lxe_cow_layers){ .held = LXE_SANDBOX_NONE, .keeper = -EBADF };
}

static int list(struct lxe_cow_layers *layers, struct lxe_err *err)
{
	const struct lxe_mounts *mounts = &layers->info.spec.mounts;
	size_t n = lxe_mounts_count_cow(mounts);

	layers->v = calloc(n + 1, sizeof(*layers->v));
	if (!layers->v)
		return lxe_fail(err, -ENOMEM, "list the copy-on-write binds");
	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->v[i].cow)
			layers->v[layers->n++] = (struct lxe_cow_one){
				.mount = &mounts->v[i],
				.index = i,
				.source = -EBADF,
				.dir = -EBADF,
				.layer = { .lower = -EBADF, .upper = -EBADF, .record = -EBADF },
			};
	return 0;
}

static int ask(
	struct lxe_cow_layers *layers, struct lxe_cow_one *one, bool freeze, struct lxe_err *err)
{
	struct lxe_msg msg, answer;
	int r;

	lxe_msg_init(&msg, LXE_MSG_LAYER);
	msg.process = (uint32_t)one->index;
	msg.flags = freeze ? LXE_LAYER_FREEZE : 0;
	r = lxe_msg_send(layers->keeper, &msg);
	if (r < 0)
		return lxe_fail(err, r, "talk to sandbox '%s'", layers->info.place.id);
	r = lxe_await(layers->keeper, LXE_ANSWER_MS, &answer, err);
	if (r == 0 && answer.type == LXE_MSG_DONE)
		r = lxe_outcome_fail(&answer.outcome, -EAGAIN, err);
	else if (r == 0 && (answer.type != LXE_MSG_LAYER || answer.fds[LXE_FD_SOURCE] < 0 ||
				   answer.fds[LXE_FD_LAYER] < 0))
		r = lxe_fail(err, -EPROTO, "talk to sandbox '%s'", layers->info.place.id);
	if (r == 0) {
		one->source = take_fd(&answer.fds[LXE_FD_SOURCE]);
		one->dir = take_fd(&answer.fds[LXE_FD_LAYER]);
	}
	lxe_msg_release(&answer);
	return r;
}

static int ask_keeper(struct lxe_cow_layers *layers, bool freeze, struct lxe_err *err)
{
	int r = 0;

	layers->keeper = lxe_join(&layers->info.place, LXE_ROLE_CONTROL, err);
	if (layers->keeper < 0)
		return layers->keeper;
	for (size_t i = 0; r == 0 && i < layers->n; i++)
		r = ask(layers, &layers->v[i], freeze, err);
	return r;
}

/* One that runs is asked; of one that has ended its owner is needed, and that is us. */
static int reach(struct lxe_cow_layers *layers, const struct lxe_dirs *dirs, const char *verb,
	const struct lxe_cow_how *how, struct lxe_err *err)
{
	struct lxe_err heard = { 0 };
	int r = -ECONNREFUSED;

	if (how->held) {
		layers->held = *how->held;
		layers->borrowed = true;
		return 0;
	}
	if (!layers->drops && layers->info.owned)
		r = ask_keeper(layers, how->act == LXE_COW_COMMIT, &heard);
	/* It may have ended when we came. */
	if (r == -ECONNREFUSED || r == -ECONNRESET || r == -ENOENT)
		return lxe_client_hold(&layers->info.place, dirs, verb, &layers->held, err);
	if (r < 0 && err)
		*err = heard;
	return r;
}

int lxe_cow_layers_find(struct lxe_cow_layers *ret, const struct lxe_place *place,
	const struct lxe_dirs *dirs, const char *verb, const struct lxe_cow_how *how,
	struct lxe_err *err)
{
	int r;

	*ret = (struct lxe_cow_layers){
		.held = LXE_SANDBOX_NONE, .drops = how->act == LXE_COW_DISCARD, .keeper = -EBADF
	};
	r = lxe_registry_read(place, &ret->info);
	if (r < 0)
		return lxe_fail(err, r, "%s: open sandbox '%s'", verb, place->id);
	r = list(ret, err);
	if (r == 0 && ret->n)
		r = reach(ret, dirs, verb, how, err);
	return r;
}

/* By its path, because descriptors from before lead to mounts of another namespace. */
static int enter_directory(const struct lxe_cow_layers *layers)
{
	const struct lxe_place *place = &layers->info.place;
	LXE_AUTOCLOSE int dir = -EBADF;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	dir = lxe_sandbox_open(place->base, place->id);
	if (dir < 0)
		return dir;
	return fchdir(dir) < 0 || (mkdir("rw", 0711) < 0 && errno != EEXIST) ? -errno : 0;
}

/* Of one that has ended, and whose disk is a file: seen by nobody else, and gone with the child. */
static int mount_disk(const struct lxe_cow_layers *layers, struct lxe_err *err)
{
	uint64_t size = layers->info.spec.limits.disk;
	int r;

	if (!size || layers->held.dir < 0)
		return 0;
	r = enter_directory(layers);
	if (r < 0)
		return lxe_fail(err, r, "look at the disk of sandbox '%s'", layers->held.id);
	return lxe_disk_mount(LXE_SANDBOX_DISK, "rw", size, err);
}

static int open_ended(struct lxe_cow_layers *layers, struct lxe_cow_one *one, struct lxe_err *err)
{
	const struct lxe_place *place = &layers->info.place;
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);
	LXE_AUTOCLOSE int rw = openat(dir, "rw", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	one->dir = lxe_cow_open(rw, one->index);
	one->empty = one->dir == -ENOENT || rw < 0 ||
		     (one->dir >= 0 &&
			     faccessat(one->dir, LXE_COW_UPPER, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
			     errno == ENOENT);
	if (one->empty)
		return 0;
	if (one->dir < 0)
		return lxe_fail(err, one->dir, "open the layer over '%s'", one->mount->src);
	one->source = open(one->mount->src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (one->source < 0 && !layers->drops) {
		lxe_hint(err,
			"put it back: what was written over it is in the sandbox all the same; "
			"lxc-exec discard drops that");
		return lxe_fail(err, -errno, "open '%s'", one->mount->src);
	}
	return 0;
}

/* Without what is mounted in it, which the sandbox has not seen; in another's namespace as it is. */
static int open_lower(int source)
{
	LXE_AUTOCLOSE int clone = sys_mount_clone(source, "", false);
	int fd = openat(clone < 0 ? source : clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int check_source(
	const struct lxe_cow_one *one, const struct lxe_cow_about *about, struct lxe_err *err)
{
	struct lxe_cow_about now = { 0 };
	int r = lxe_cow_about_source(one->source, &now);

	if (r < 0)
		return lxe_fail(err, r, "look at '%s'", one->mount->src);
	return lxe_cow_about_check(about, &now, one->mount->src, err);
}

static void set_ids(struct lxe_cow_layers *layers, struct lxe_cow_one *one)
{
	one->layer.userxattr = lxe_is_rootless();
	if (one->mount->unshifted)
		return;
	if (lxe_is_rootless()) {
		/* He is root there (with binds), and this number in the namespace that the layers are looked at from. */
		one->layer.root = LXE_ROOTLESS_COUNT;
		return;
	}
	one->layer.ids = (struct lxe_cow_ids){ layers->info.live.idmap_start, 0, IDS };
}

static int open_layer(struct lxe_cow_layers *layers, struct lxe_cow_one *one, struct lxe_err *err)
{
	struct lxe_cow_about about = { 0 };
	int r;

	one->layer.upper =
		openat(one->dir, LXE_COW_UPPER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	one->empty = one->layer.upper < 0 && errno == ENOENT;
	if (one->empty)
		return 0;
	one->layer.record =
		openat(one->dir, RECORD, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = one->layer.upper < 0 || one->layer.record < 0 ? -errno
							  : lxe_cow_about_read(one->dir, &about);
	if (r < 0)
		return lxe_fail(err, r, "open the layer over '%s'", one->mount->src);
	r = check_source(one, &about, layers->drops ? NULL : err);
	if (r < 0)
		return layers->drops ? 0 : r;
	one->layer.since = about.since;
	one->layer.lower = open_lower(one->source);
	if (one->layer.lower < 0)
		return lxe_fail(err, one->layer.lower, "open the layer over '%s'", one->mount->src);
	lxe_changes_stage_name(one->layer.stage, layers->info.place.id, one->index);
	one->layer.where = layers->n > 1 ? one->mount->src : "";
	set_ids(layers, one);
	return 0;
}

int lxe_cow_layers_open(struct lxe_cow_layers *layers, bool alone, struct lxe_err *err)
{
	int r = mount_disk(layers, err);

	for (size_t i = 0; r == 0 && i < layers->n; i++) {
		struct lxe_cow_one *one = &layers->v[i];

		if (one->dir < 0)
			r = open_ended(layers, one, err);
		one->real = realpath(one->mount->src, NULL);
		if (r == 0 && !one->empty)
			r = open_layer(layers, one, err);
		/* Not the layer's directory: of one that runs all have the keeper's open file. */
		if (r == 0 && alone && !one->empty && flock(one->layer.record, LOCK_EX) < 0)
			r = lxe_fail(err, -errno, "lock the layer over '%s'", one->mount->src);
	}
	return r;
}
