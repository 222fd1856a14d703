#include "client/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/again.h"
#include "client/cow.h"
#include "client/make.h"
#include "keeper/state.h"
#include "keeper/teardown.h"
#include "sys/proc.h"

/* Whoever it is has its lock, and that of the layers. */
struct held {
	struct lxe_sandbox sandbox;
	struct lxe_record record;
	struct lxe_spec spec;
	int layers;
};

static void let_go(struct held *h)
{
	lxe_spec_release(&h->spec);
	lxe_record_release(&h->record);
	lxe_drop_fd(&h->layers);
	lxe_sandbox_release(&h->sandbox);
}

static int refuse_disk(const char *verb, const char *name, struct lxe_err *err)
{
	lxe_hint(err, "make it without --disk; what is in it can be copied out by lxc-exec exec");
	return lxe_fail_msg(err, -EOPNOTSUPP,
		"%s: the files of sandbox '%s' are in one file of limited size (--disk), of which "
		"there are no layers",
		verb, name);
}

static int refuse_pending(const char *verb, const char *name, struct lxe_err *err)
{
	lxe_hint(err, "lxc-exec commit %s, or lxc-exec discard %s, first", name, name);
	return lxe_fail_msg(err, -EBUSY,
		"%s: sandbox '%s' has changes of a copy-on-write bind that are neither committed nor "
		"discarded",
		verb, name);
}

static const char *name_of(const struct held *h)
{
	return h->record.name[0] ? h->record.name : h->sandbox.id;
}

static int check(const struct held *h, const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *verb, struct lxe_err *err)
{
	int r = 0;

	if (h->spec.limits.disk)
		return refuse_disk(verb, name_of(h), err);
	if (lxe_mounts_count_cow(&h->spec.mounts))
		r = lxe_client_cow_pending(place, dirs, &h->sandbox, verb, err);
	return r > 0 ? refuse_pending(verb, name_of(h), err) : r;
}

static int hold(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *verb,
	struct held *ret, struct lxe_err *err)
{
	struct held h = { .sandbox = LXE_SANDBOX_NONE, .layers = -EBADF };
	int r = lxe_client_hold(place, dirs, verb, &h.sandbox, err);

	if (r < 0)
		return r;
	r = lxe_record_read(&h.record, h.sandbox.dir);
	if (r == 0)
		r = lxe_spec_decode(&h.spec, h.record.spec, h.record.spec_len);
	if (r < 0)
		lxe_fail(err, r, "%s: read the record of sandbox '%s'", verb, place->id);
	else
		r = check(&h, place, dirs, verb, err);
	if (r == 0)
		r = h.layers = lxe_layers_lock(dirs->state, err);
	if (r < 0) {
		let_go(&h);
		return r;
	}
	*ret = h;
	return 0;
}

/* As its files have it: before anything ran in it, its directories are root's. */
static uint32_t owner_of(const struct held *h)
{
	struct lxe_live live = { 0 };
	struct stat st;

	if (lxe_live_read(h->sandbox.dir, &live) == 0 && live.idmap_start)
		return live.idmap_start;
	return fstatat(h->sandbox.dir, LXE_LAYER_FILES "/u", &st, AT_SYMLINK_NOFOLLOW) == 0
		       ? st.st_uid
		       : 0;
}

static int freeze(const struct held *h, const char *verb, struct lxe_base *ret, struct lxe_err *err)
{
	int r = lxe_layer_freeze(h->layers, h->sandbox.dir, owner_of(h), ret);

	if (r == -E2BIG) {
		lxe_hint(err, "restore an earlier snapshot, or copy the files into a new sandbox");
		return lxe_fail_msg(err, r, "%s: sandbox '%s' lies on %d layers already", verb,
			name_of(h), LXE_LAYERS_MAX);
	}
	return r < 0 ? lxe_fail(err, r, "%s: put aside what sandbox '%s' has written", verb,
			       name_of(h))
		     : 0;
}

static int no_such(const char *name, const char *sandbox, struct lxe_err *err)
{
	char shown[300];

	lxe_excerpt(shown, sizeof(shown), name, strlen(name));
	lxe_hint(err, "lxc-exec snapshot %s lists them", sandbox);
	return lxe_fail_msg(err, -ENOENT, "sandbox '%s' has no snapshot '%s'", sandbox, shown);
}

static int read_names(int dir, const char *sandbox, struct lxe_snapshots *ret, struct lxe_err *err)
{
	int r = lxe_snapshots_read(dir, ret);

	return r < 0 ? lxe_fail(err, r, "read the snapshots of sandbox '%s'", sandbox) : 0;
}

static int write_names(
	int dir, const char *sandbox, const struct lxe_snapshots *list, struct lxe_err *err)
{
	int r = lxe_snapshots_write(dir, list);

	return r < 0 ? lxe_fail(err, r, "write the snapshots of sandbox '%s'", sandbox) : 0;
}

static int take_snapshot(const struct held *h, const char *name, struct lxe_err *err)
{
	struct lxe_snapshot one = { .made_ms = sys_epoch_ms() };
	struct lxe_snapshots list = { 0 };
	struct lxe_base base = { 0 };
	int r = read_names(h->sandbox.dir, name_of(h), &list, err);

	if (r == 0 && lxe_snapshots_find(&list, name)) {
		lxe_hint(err, "choose another name, or: lxc-exec snapshot --rm %s %s", name_of(h),
			name);
		r = lxe_fail_msg(
			err, -EEXIST, "sandbox '%s' has a snapshot '%s' already", name_of(h), name);
	}
	if (r == 0)
		r = freeze(h, "snapshot", &base, err);
	if (r == 0) {
		snprintf(one.name, sizeof(one.name), "%s", name);
		memcpy(one.top, base.top, sizeof(one.top));
		r = lxe_snapshots_add(&list, &one);
		if (r < 0)
			lxe_fail(err, r, "snapshot");
	}
	if (r == 0)
		r = write_names(h->sandbox.dir, name_of(h), &list, err);
	lxe_snapshots_release(&list);
	return r;
}

int lxe_client_snapshot(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *name, struct lxe_err *err)
{
	struct held h;
	int r = lxe_name_validate(name, err);

	if (r < 0)
		return r;
	r = hold(place, dirs, "snapshot", &h, err);
	if (r < 0)
		return r;
	r = take_snapshot(&h, name, err);
	let_go(&h);
	return r;
}

/* The layer that a name was given to. */
static int find_top(int dir, const char *sandbox, const char *name, char top[LXE_ID_LEN + 1],
	struct lxe_err *err)
{
	struct lxe_snapshots list = { 0 };
	const struct lxe_snapshot *found;
	int r = read_names(dir, sandbox, &list, err);

	if (r < 0)
		return r;
	found = lxe_snapshots_find(&list, name);
	if (found)
		memcpy(top, found->top, sizeof(found->top));
	else
		r = no_such(name, sandbox, err);
	lxe_snapshots_release(&list);
	return r;
}

int lxe_client_restore(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *name,
	struct lxe_err *err)
{
	struct lxe_base base = { .drop = true };
	struct held h;
	int r = hold(place, dirs, "restore", &h, err);

	if (r < 0)
		return r;
	r = find_top(h.sandbox.dir, name_of(&h), name, base.top, err);
	if (r == 0) {
		r = lxe_base_write(h.sandbox.dir, &base);
		/* Others need not wait for the removal. */
		lxe_drop_fd(&h.layers);
		if (r == 0)
			r = lxe_base_settle(h.sandbox.dir);
		if (r < 0)
			lxe_fail(err, r, "restore sandbox '%s'", name_of(&h));
	}
	if (r == 0)
		lxe_layers_sweep(h.sandbox.parent, false);
	let_go(&h);
	return r;
}

/* False: there is none of that name. */
static bool drop_name(struct lxe_snapshots *list, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i].name, name) != 0)
			list->v[n++] = list->v[i];
	if (n == list->n)
		return false;
	list->n = n;
	return true;
}

int lxe_client_snapshot_rm(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *name, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);
	LXE_AUTOCLOSE int parent = lxe_sandbox_open_parent(place->base);
	LXE_AUTOCLOSE int layers = -EBADF;
	struct lxe_snapshots list = { 0 };
	char sandbox[129];
	int r;

	if (dir < 0 || parent < 0)
		return lxe_fail(err, dir < 0 ? dir : parent, "open sandbox '%s'", place->id);
	layers = lxe_layers_lock(dirs->state, err);
	if (layers < 0)
		return layers;
	lxe_registry_name(dirs, place->id, sandbox);
	r = read_names(dir, sandbox, &list, err);
	if (r == 0 && !drop_name(&list, name))
		r = no_such(name, sandbox, err);
	if (r == 0)
		r = write_names(dir, sandbox, &list, err);
	lxe_snapshots_release(&list);
	lxe_drop_fd(&layers);
	if (r == 0)
		lxe_layers_sweep(parent, false);
	return r;
}

int lxe_client_snapshots(
	const struct lxe_place *place, struct lxe_snapshots *ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);

	if (dir < 0)
		return lxe_fail(err, dir, "open sandbox '%s'", place->id);
	return read_names(dir, place->id, ret, err);
}

/* As the other one, but for what is of one run, or of one name. */
static int spec_of_fork(struct lxe_spec *spec, const char *name)
{
	int r = lxe_str_set(&spec->name, name);

	lxe_str_set(&spec->result, NULL);
	lxe_str_set(&spec->spill, NULL);
	spec->keep = true;
	return r;
}

/* Stopped, as one that has run; with its record it is there. */
static int write_fork(struct lxe_make *m, const struct lxe_base *base, struct lxe_err *err)
{
	const struct lxe_live live = { .state = LXE_STOPPED };
	LXE_AUTOCLOSE int fd = -EBADF;
	int r = lxe_base_write(m->sandbox.dir, base);

	if (r == 0) {
		fd = lxe_live_open(m->sandbox.dir);
		r = fd < 0 ? fd : lxe_live_write(fd, &live);
	}
	if (r < 0)
		return lxe_fail(err, r, "write the state of sandbox '%s'", m->sandbox.id);
	return lxe_make_record(m, err);
}

static void take_back(struct lxe_make *m)
{
	struct lxe_outcome outcome = { .bytes_out = -1 };
	struct lxe_teardown t = { .sandbox = &m->sandbox,
		.outcome = &outcome,
		.result = -EBADF,
		.leave_children = true };

	if (m->sandbox.dir >= 0)
		lxe_teardown(&t);
}

static int make_fork(struct held *h, const struct lxe_base *base, const struct lxe_dirs *dirs,
	const char *name, struct lxe_err *err)
{
	struct lxe_make m = { .spec = &h->spec, .dirs = dirs, .sandbox = LXE_SANDBOX_NONE };
	int r = spec_of_fork(&h->spec, name);

	if (r < 0)
		return lxe_fail(err, r, "fork");
	r = lxe_make_directory(&m, err);
	if (r == 0)
		r = write_fork(&m, base, err);
	if (r < 0) {
		/* Its teardown may have to look for layers. */
		lxe_drop_fd(&h->layers);
		take_back(&m);
	}
	lxe_sandbox_release(&m.sandbox);
	return r;
}

/* A snapshot is there whether the sandbox runs or not: nobody's lock is needed for it. */
static int look_at(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *snapshot,
	struct held *ret, struct lxe_base *base, struct lxe_err *err)
{
	struct held h = { .sandbox = LXE_SANDBOX_NONE, .layers = -EBADF };
	int r = h.sandbox.dir = lxe_sandbox_open(place->base, place->id);

	if (r >= 0)
		r = lxe_record_read(&h.record, h.sandbox.dir);
	if (r == 0)
		r = lxe_spec_decode(&h.spec, h.record.spec, h.record.spec_len);
	if (r < 0)
		lxe_fail(err, r, "fork: read the record of sandbox '%s'", place->id);
	else
		r = h.layers = lxe_layers_lock(dirs->state, err);
	if (r >= 0)
		r = find_top(h.sandbox.dir, name_of(&h), snapshot, base->top, err);
	if (r < 0)
		let_go(&h);
	else
		*ret = h;
	return r;
}

static int hold_and_freeze(const struct lxe_place *place, const struct lxe_dirs *dirs,
	struct held *ret, struct lxe_base *base, struct lxe_err *err)
{
	int r = hold(place, dirs, "fork", ret, err);

	if (r < 0)
		return r;
	r = freeze(ret, "fork", base, err);
	if (r < 0)
		let_go(ret);
	return r;
}

int lxe_client_fork(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const char *snapshot, const char *name, struct lxe_err *err)
{
	struct lxe_base base = { 0 };
	struct held h;
	int r = lxe_name_validate(name, err);

	if (r < 0)
		return r;
	if (snapshot)
		r = look_at(place, dirs, snapshot, &h, &base, err);
	else
		r = hold_and_freeze(place, dirs, &h, &base, err);
	if (r < 0)
		return r;
	r = make_fork(&h, &base, dirs, name, err);
	let_go(&h);
	return r;
}
