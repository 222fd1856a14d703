/* Images: built for a run that lacks one; made, and read, on request. See keeper.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "container/build.h"
#include "container/export.h"
#include "container/import.h"
#include "keeper/keeper.h"
#include "rootfs/images.h"
#include "store/imageconfig.h"
#include "store/rootless.h"
#include "sys/fd.h"

static int wait_for_build(void *keeper, int fd, int timeout_ms)
{
	return lxe_keeper_wait(keeper, fd, timeout_ms);
}

/* What nobody has the room to take now is lost: it is only shown. */
static void say(void *keeper, const char *text, size_t len)
{
	const struct lxe_keeper *k = keeper;
	struct lxe_msg msg;

	if (!k->main || !k->main->client)
		return;
	lxe_msg_init(&msg, LXE_MSG_DATA);
	while (len) {
		msg.n_bytes = len < sizeof(msg.bytes) ? len : sizeof(msg.bytes);
		memcpy(msg.bytes, text, msg.n_bytes);
		if (lxe_msg_send(k->main->client->fd, &msg) < 0)
			return;
		text += msg.n_bytes;
		len -= msg.n_bytes;
	}
}

int lxe_keeper_make_image(struct lxe_keeper *k, const char *name, struct lxe_err *err)
{
	const struct lxe_waiter waiter = { .wait = wait_for_build, .arg = k };

	return lxe_image_build(&k->main->request.dirs, name, NULL, NULL, &waiter, err);
}

static int split_words(struct lxe_strv *ret, const struct lxe_msg *msg)
{
	const char *at = (const char *)msg->bytes, *end = at + msg->n_bytes;
	int r = 0;

	if (msg->n_bytes && end[-1])
		return -EBADMSG;
	while (r == 0 && at < end) {
		r = lxe_strv_add(ret, at);
		at += strlen(at) + 1;
	}
	return r;
}

/* Ids that belong to nobody: as those of a sandbox whose id is drawn now. */
static int pick_ids(struct lxe_idmap *map, struct lxe_err *err)
{
	unsigned int number;
	char id[16];

	if (lxe_is_rootless()) {
		*map = (struct lxe_idmap){ .count = 0 };
		return 0;
	}
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return lxe_fail(err, -EIO, "draw a number");
	snprintf(id, sizeof(id), "%08x", number);
	return lxe_idmap_pick(map, "/etc/subuid", id, err);
}

static int kind_of(const char *word, enum lxe_import_kind *ret)
{
	static const struct {
		const char *word;
		enum lxe_import_kind kind;
	} kinds[] = {
		{ "tar", LXE_IMPORT_TAR },
		{ "recipe", LXE_IMPORT_RECIPE },
		{ "dir", LXE_IMPORT_DIR },
		{ "oci", LXE_IMPORT_OCI },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].word, word) == 0) {
			*ret = kinds[i].kind;
			return 0;
		}
	}
	return -EBADMSG;
}

static int import(const struct lxe_msg *request, const struct lxe_strv *words,
	const struct lxe_waiter *waiter, struct lxe_err *err)
{
	struct lxe_import import = {
		.dirs = &request->dirs,
		.name = request->image,
		.source = request->fds[LXE_FD_STDIN],
		.waiter = waiter,
	};
	struct lxe_idmap map = { 0 };
	LXE_AUTOFREE char *config = NULL;
	size_t len;
	int r;

	if (words->n != 4 || import.source < 0 || kind_of(words->v[0], &import.kind) < 0)
		return lxe_fail(err, -EBADMSG, "read the request");
	import.path = words->v[1];
	import.tag = words->v[2];
	if (strcmp(words->v[3], "force") == 0)
		import.replace = lxe_image_refuse_kept;
	r = pick_ids(&map, err);
	if (r == 0 && request->fds[LXE_FD_SPEC] >= 0)
		r = sys_read_whole(request->fds[LXE_FD_SPEC], LXE_IMAGE_CONFIG_MAX, &config, &len);
	if (r < 0)
		return lxe_fail(err, r, "read the request");
	import.config = config;
	import.ids_start = map.host_start;
	import.ids_count = map.count;
	return lxe_image_import(&import, err);
}

static int refuse_host(const char *name, struct lxe_err *err)
{
	lxe_hint(err, "what it shows is this machine's own: build a debian or busybox image");
	return lxe_fail_msg(err, -EINVAL, "image '%s' has no files of its own", name);
}

/* The image is locked as for a sandbox that runs on it. */
static int export(
	const struct lxe_msg *request, const struct lxe_waiter *waiter, struct lxe_err *err)
{
	LXE_AUTOCLOSE int rootfs = -EBADF;
	struct lxe_export export = {
		.dirs = &request->dirs,
		.output = request->fds[LXE_FD_STDOUT],
		.waiter = waiter,
	};
	struct lxe_image image;
	int r;

	if (strcmp(request->image, "host") == 0) {
		r = refuse_host(request->image, err);
		return lxe_fail(err, r, "export image '%s'", request->image);
	}
	r = lxe_image_open(&image, request->dirs.state, request->image, err);
	if (r < 0)
		return r;
	rootfs = openat(image.lock, "rootfs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	export.rootfs = rootfs;
	if (image.host_trees) {
		r = refuse_host(request->image, err);
	} else if (rootfs < 0) {
		r = lxe_fail(err, -errno, "open the files of image '%s'", request->image);
	} else {
		r = lxe_image_export(&export, err);
	}
	lxe_image_release(&image);
	return r < 0 ? lxe_fail(err, r, "export image '%s'", request->image) : 0;
}

static int build(const struct lxe_msg *request, const struct lxe_strv *words,
	const struct lxe_waiter *waiter, struct lxe_err *err)
{
	return lxe_image_build(
		&request->dirs, request->image, words, lxe_image_refuse_kept, waiter, err);
}

static int do_job(struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_waiter waiter = { .wait = wait_for_build, .say = say, .arg = k };
	const struct lxe_msg *request = &k->main->request;
	struct lxe_strv words = { 0 };
	int r = split_words(&words, request);

	if (r < 0)
		lxe_fail(err, r, "read the request");
	else if (request->flags == LXE_JOB_IMPORT)
		r = import(request, &words, &waiter, err);
	else if (request->flags == LXE_JOB_EXPORT)
		r = export(request, &waiter, err);
	else
		r = build(request, &words, &waiter, err);
	lxe_strv_release(&words);
	return r;
}

static void answer_build(struct lxe_keeper *k, int r, const struct lxe_err *err)
{
	struct lxe_outcome *o = &k->outcome;

	o->teardown_ok = true;
	o->has_status = r == 0;
	o->cause = r == 0 ? LXE_CAUSE_EXIT : k->stopping ? LXE_CAUSE_KILLED : LXE_CAUSE_ERROR;
	o->signal = k->stop_signal;
	lxe_outcome_take_err(o, err);
	/* What was printed may stand before it in the queue of a client that was stopped: now we have the time. */
	if (k->main && k->main->client)
		sys_set_nonblock(k->main->client->fd, false);
	lxe_keeper_send_done(k);
}

int lxe_keeper_build(int control, const struct lxe_err *early)
{
	struct lxe_keeper k = { .outcome = { .bytes_out = -1 } };
	struct lxe_err err = *early;
	int r;

	r = lxe_keeper_set_up(&k, control, &err);
	if (r == 0)
		r = lxe_keeper_await_request(&k, LXE_MSG_BUILD, &err);
	if (r == 0)
		r = do_job(&k, &err);
	answer_build(&k, r, &err);
	lxe_keeper_clean_up(&k);
	return r;
}
