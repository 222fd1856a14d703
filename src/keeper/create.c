/* From a spec to a parked command: every part of the sandbox, in order. See keeper.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "container/build.h"
#include "keeper/delegation.h"
#include "keeper/keeper.h"
#include "keeper/mounts.h"
#include "keeper/network.h"
#include "keeper/view.h"
#include "rootfs/secrets.h"
#include "rootfs/stack.h"
#include "store/rootless.h"
#include "sys/proc.h"

/* Starting pid 1 takes milliseconds; a host that is this slow has a problem of its own. */
#define START_TIMEOUT_MS 20000
#define START_LOOK_MS 250 /* a healthy start is over by then, and never looks */

static uint64_t pids_limit(const struct lxe_keeper *k)
{
	uint64_t users = k->main->spec.pids;

	/* The user's limit is on his own processes. */
	if (users == 0)
		return 0;
	/* Beside pid 1 and its monitor: the starter of each command that is put in. */
	return users + LXE_OWN_PROCESSES + k->resolver.n + k->starting;
}

int lxe_keeper_limit_pids(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_cgroup_limits limits = { .pids = pids_limit(k) };

	return lxe_cgroup_limit(k->cgroup, &limits, err);
}

static void group_name(const struct lxe_keeper *k, char name[32])
{
	snprintf(name, 32, "lxe-%s", k->sandbox.id);
}

/* Name everything that the steps below make, before the first of them. */
static int journal_parts(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_strv paths = { 0 };
	struct lxe_entry entries[16 + LXE_NETWORK_ENTRIES];
	char text[LXE_NETWORK_TEXT];
	char name[32];
	size_t n = 0;
	int r;

	group_name(k, name);
	r = lxe_cgroup_paths(k->cgroups, name, &paths);
	for (size_t i = 0; r == 0 && i < paths.n && n < 16; i++)
		entries[n++] = (struct lxe_entry){ LXE_ENTRY_CGROUP, paths.v[i] };
	/* Behind them, so that they are undone first: beside the end of the processes. */
	n += lxe_network_entries(k, entries + n, text);
	if (r == 0)
		r = lxe_journal_add(&k->sandbox, entries, n, err);
	else
		lxe_fail(err, r, "name the sandbox's cgroups");
	lxe_strv_release(&paths);
	return r;
}

static int make_cgroups(struct lxe_keeper *k, struct lxe_err *err)
{
	char name[32];
	int r;

	k->limits.cgroup.pids = pids_limit(k);
	group_name(k, name);
	r = lxe_cgroup_create(&k->cgroup, k->cgroups, name, &k->limits.cgroup, err);
	if (r < 0)
		return r;
	r = lxe_cgroup_leaf_init(&k->init_leaf, k->cgroup, err);
	if (r < 0)
		return r;
	return lxe_cgroup_leaf_exec(&k->main->leaf, k->cgroup, k->main->number, err);
}

/* The client's patience is for what takes milliseconds. */
static void tell_building(struct lxe_keeper *k)
{
	lxe_channel_say(k->main->client, LXE_MSG_BUILDING);
}

/* An image that is not there yet is built, if there is a template for it. */
static int open_image(struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_dirs *dirs = &k->main->request.dirs;
	const char *name = k->main->spec.image;
	struct lxe_err missing = { 0 };
	int r;

	r = lxe_image_open(&k->image, dirs->state, name, &missing);
	if (r == -ENOENT && lxe_image_has_template(dirs, name)) {
		tell_building(k);
		r = lxe_keeper_make_image(k, name, err);
		return r < 0 ? r : lxe_image_open(&k->image, dirs->state, name, err);
	}
	if (r < 0 && err)
		*err = missing;
	return r;
}

static int enter_leaf(void *leaf)
{
	return lxe_cgroup_leaf_enter(leaf);
}

/*
 * Wait for pid 1's byte. A monitor whose child is dead waits for it for ever, and a child whose
 * monitor is dead may do the same: either is ended then, and the pipe tells.
 */
static int await_init(struct lxe_keeper *k, int ready)
{
	int r = -ETIMEDOUT;

	for (int ms = 0; r == -ETIMEDOUT && ms < START_TIMEOUT_MS; ms += START_LOOK_MS) {
		r = lxe_keeper_wait(k, ready, START_LOOK_MS);
		if (r == -ETIMEDOUT && (!k->monitor || lxe_container_stalled(k->monitor)))
			lxe_keeper_kill_container(k);
	}
	return r;
}

static int await_started(struct lxe_keeper *k, int ready, struct lxe_err *err)
{
	int r = await_init(k, ready);

	if (r < 0)
		return lxe_fail(err, r, "wait for pid 1 of the container");
	return lxe_container_started(k->container, ready, err);
}

static int start_container(struct lxe_keeper *k, int init, struct lxe_err *err)
{
	LXE_AUTOCLOSE int ready = -EBADF;
	struct lxe_container_start how = {
		.fork_fd = lxe_cgroup_leaf_fork_fd(k->init_leaf),
		.enter = enter_leaf,
		.arg = k->init_leaf,
		.init_fd = init,
	};
	int r;

	r = lxe_container_start(k->container, &how, &k->monitor, &ready, err);
	if (r < 0)
		return r;
	/* What the command's starter can do by itself goes on beside the container's start. */
	r = lxe_process_fork(k->main, ready, err);
	if (r == 0)
		r = await_started(k, ready, err);
	/* One that waits for a container that does not come ends by this. */
	if (r < 0)
		lxe_drop_fd(&k->main->release);
	return r;
}

static int make_container(struct lxe_keeper *k, int init, struct lxe_err *err)
{
	char name[32], hostname[32];
	struct lxe_container_config config = {
		.name = name,
		.dir = LXE_VIEW_DIR,
		.rootfs = LXE_VIEW_DIR "/m",
		.rootfs_mount = LXE_VIEW_ROOTFS,
		.hostname = hostname,
		.idmap_start = k->idmap.host_start,
		.idmap_count = k->idmap.count,
		.shm = k->main->spec.limits.disk,
		.idmap_owner = k->idmap.owner ? lxe_idmap_host(&k->idmap, 0) : 0,
		.become_root = lxe_is_rootless(),
	};
	int r;

	group_name(k, name);
	snprintf(hostname, sizeof(hostname), "lxe-%.8s", k->sandbox.id);
	r = lxe_container_new(&k->container, &config, err);
	if (r < 0)
		return r;
	return start_container(k, init, err);
}

/* As files of whoever the sandbox's command runs as. */
static int mount_secrets(struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOCLOSE int memfd = take_fd(&k->main->request.fds[LXE_FD_SECRET]);
	struct lxe_user user;
	int r;

	if (memfd < 0)
		return 0;
	r = lxe_user_find(&user, k->main->spec.user, LXE_VIEW_DIR "/m", k->idmap.count, err);
	if (r < 0)
		return r;
	return lxe_secrets_mount(LXE_VIEW_DIR "/m", memfd, lxe_idmap_host(&k->idmap, 0),
		lxe_idmap_host(&k->idmap, user.uid), lxe_idmap_host(&k->idmap, user.gid), err);
}

static int open_init(const struct lxe_keeper *k, struct lxe_err *err)
{
	char path[sizeof(k->main->request.dirs.libexec) + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/lxc-exec-init", k->main->request.dirs.libexec);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		fd = lxe_fail(err, -errno, "open '%s'", path);
		lxe_hint(err, "the installation is incomplete: run make install again");
	}
	return fd;
}

static int open_cgroups(struct lxe_keeper *k, struct lxe_err *err)
{
	if (lxe_is_rootless())
		return lxe_delegation_open(&k->cgroups, &k->main->spec, err);
	return lxe_cgroup_host_open(&k->cgroups, "/proc/self/mountinfo", "/proc/self/cgroup", err);
}

static int load_filter(struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_filter_how how = lxe_keeper_filter_how(k);

	return lxe_filter_load(&k->filter, k->main->request.dirs.state, &how, err);
}

/* What is needed of the host is opened before the keeper leaves the host's view of the mounts. */
static int open_parts(
	struct lxe_keeper *k, int *init, struct lxe_sources *sources, struct lxe_err *err)
{
	int r;

	r = open_cgroups(k, err);
	if (r < 0)
		return r;
	r = lxe_limits_prepare(k, err);
	if (r < 0)
		return r;
	r = open_image(k, err);
	if (r < 0)
		return r;
	if (lxe_is_rootless() && lxe_keeper_shifts(k))
		lxe_idmap_of_owner(&k->idmap);
	else if (lxe_is_rootless())
		lxe_idmap_nested(&k->idmap);
	else
		r = lxe_idmap_pick(&k->idmap, "/etc/subuid", k->sandbox.id, err);
	if (r < 0)
		return r;
	/* Those that its files have got. */
	if (k->kept_owner && !k->idmap.stored)
		k->idmap.host_start = k->kept_owner;
	if (k->main->spec.keep)
		r = lxe_stack_open(&k->image.stack, k->main->request.dirs.state, k->sandbox.dir,
			&k->idmap, err);
	if (r == 0)
		r = lxe_keeper_open_sources(k, sources, err);
	if (r < 0)
		return r;
	r = load_filter(k, err);
	if (r < 0)
		return r;
	*init = open_init(k, err);
	return *init < 0 ? *init : 0;
}

static bool is_parked(const struct lxe_keeper *k)
{
	return k->main->state == LXE_PROCESS_PARKED || k->main->state == LXE_PROCESS_ENDED ||
	       k->stopping;
}

static int require_parked(const struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_process *p = k->main;

	return p->state == LXE_PROCESS_PARKED ? 0 : lxe_outcome_fail(&p->outcome, -EIO, err);
}

static int park_command(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	r = lxe_process_enter(k->main, err);
	if (r == 0)
		r = lxe_keeper_wait_until(k, is_parked, -1);
	if (r < 0)
		return r;
	if (k->stopping)
		return lxe_fail(err, -ECANCELED, "park the command");
	return require_parked(k, err);
}

static int make_rootfs(struct lxe_keeper *k, struct lxe_sources *sources, struct lxe_err *err)
{
	const struct lxe_spec *spec = &k->main->spec;
	int r;

	r = lxe_rootfs_mount(&k->image, LXE_VIEW_DIR, &k->idmap,
		lxe_spec_on_disk(spec) ? LXE_VIEW_KEPT : NULL, spec->limits.disk, err);
	if (r < 0)
		return r;
	r = lxe_keeper_place(k, sources, err);
	return r < 0 ? r : mount_secrets(k, err);
}

static int create(struct lxe_keeper *k, int init, struct lxe_sources *sources, struct lxe_err *err)
{
	int r;

	r = journal_parts(k, err);
	if (r == 0)
		r = lxe_cow_journal(k, err);
	if (r < 0)
		return r;
	r = lxe_network_begin(k, err);
	if (r < 0)
		return r;
	r = make_cgroups(k, err);
	if (r < 0)
		return r;
	r = lxe_keeper_resolver_start(k, err);
	if (r < 0)
		return r;
	lxe_keeper_lap(k, LXE_SPAN_CGROUP);
	r = lxe_image_take(&k->image, err);
	if (r == 0)
		r = lxe_view_enter(
			lxe_spec_on_disk(&k->main->spec) ? &k->sandbox : NULL, &k->host_view, err);
	if (r == 0)
		r = make_rootfs(k, sources, err);
	if (r < 0)
		return r;
	lxe_keeper_lap(k, LXE_SPAN_ROOTFS);
	r = make_container(k, init, err);
	if (r == 0)
		r = lxe_keeper_prepare_ending(k, err);
	if (r < 0)
		return r;
	lxe_keeper_lap(k, LXE_SPAN_START);
	r = lxe_network_connect(k, err);
	if (r < 0)
		return r;
	r = park_command(k, err);
	if (r == 0)
		r = lxe_keeper_resolver_await(k, err);
	/* Whoever waits meanwhile may be killed. */
	return r < 0 ? r : require_parked(k, err);
}

int lxe_keeper_create(struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOCLOSE int init = -EBADF;
	struct lxe_sources sources = { 0 };
	int r;

	k->starting = 1;
	k->main->counted = true;
	r = open_parts(k, &init, &sources, err);
	if (r == 0) {
		lxe_keeper_lap(k, LXE_SPAN_OPEN);
		r = create(k, init, &sources, err);
	}
	lxe_sources_release(&sources);
	/* The command's process, which covers them, has its own copy. */
	lxe_strv_release(&k->denied);
	return r;
}
