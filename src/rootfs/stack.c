#include "rootfs/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/mount.h"
#include "sys/userns.h"

#define NAME_ROOM 32	 /* "s/127/root:" */
#define OPTIONS_MAX 4000 /* mount(2) takes a page */

void lxe_stack_free(struct lxe_stack *stack)
{
	for (size_t i = 0; stack && i < stack->n; i++)
		lxe_close(stack->files[i]);
	free(stack);
}

/* A layer of another sandbox has its owners. */
static int change(int tree, const struct lxe_layer *layer, const struct lxe_idmap *map)
{
	LXE_AUTOCLOSE int userns = -EBADF;

	if (!map->stored && layer->owner != map->host_start) {
		userns = sys_userns_shifting(layer->owner, map->host_start, map->count);
		if (userns < 0)
			return userns;
	}
	return sys_mount_change(tree, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, userns);
}

static int take_one(struct lxe_stack *stack, int layers, const struct lxe_layer *layer,
	const struct lxe_idmap *map)
{
	char path[LXE_ID_LEN + sizeof("/" LXE_LAYER_FILES)];
	LXE_AUTOCLOSE int tree = -EBADF;
	int r;

	snprintf(path, sizeof(path), "%s/" LXE_LAYER_FILES, layer->id);
	tree = sys_mount_clone(layers, path, false);
	/* Whoever made it was killed before there was anything in it. */
	if (tree == -ENOENT)
		return 0;
	r = tree < 0 ? tree : change(tree, layer, map);
	if (r == 0)
		stack->files[stack->n++] = take_fd(&tree);
	return r;
}

static int take_all(struct lxe_stack *stack, int layers, const char *top,
	const struct lxe_idmap *map, struct lxe_err *err)
{
	char id[LXE_ID_LEN + 1];
	struct lxe_layer layer;
	int r = 0;

	memcpy(id, top, sizeof(id));
	for (size_t i = 0; r == 0 && id[0]; i++) {
		r = i < LXE_LAYERS_MAX ? lxe_layer_read(layers, id, &layer) : -ELOOP;
		if (r == 0)
			r = take_one(stack, layers, &layer, map);
		if (r < 0)
			return lxe_fail(err, r, "open layer %s", id);
		memcpy(id, layer.parent, sizeof(id));
	}
	return r;
}

int lxe_stack_open(struct lxe_stack **ret, const char *state, int sandbox,
	const struct lxe_idmap *map, struct lxe_err *err)
{
	LXE_AUTOCLOSE int layers = -EBADF;
	struct lxe_base base = { 0 };
	struct lxe_stack *stack;
	int r = lxe_base_read(sandbox, &base);

	if (r < 0)
		return lxe_fail(err, r, "read which layer the sandbox lies on");
	*ret = NULL;
	if (!base.top[0])
		return 0;
	layers = lxe_layers_open(state);
	if (layers < 0)
		return lxe_fail(err, layers, "open the layers");
	stack = calloc(1, sizeof(*stack));
	if (!stack)
		return lxe_fail(err, -ENOMEM, "open the layers");
	r = take_all(stack, layers, base.top, map, err);
	if (r == 0 && stack->n)
		*ret = stack;
	else
		lxe_stack_free(stack);
	return r;
}

static int make_dir(const char *path)
{
	return mkdir(path, 0711) < 0 && errno != EEXIST ? -errno : 0;
}

int lxe_stack_attach(struct lxe_stack *stack, struct lxe_err *err)
{
	char path[NAME_ROOM];
	int r = make_dir("s");

	for (size_t i = 0; r == 0 && i < stack->n; i++) {
		snprintf(path, sizeof(path), "s/%zu", i);
		r = make_dir(path);
		if (r == 0)
			r = sys_mount_attach(stack->files[i], AT_FDCWD, path);
		lxe_drop_fd(&stack->files[i]);
	}
	return r < 0 ? lxe_fail(err, r, "mount the layers") : 0;
}

static bool look_at(size_t i, const char *name, struct stat *ret)
{
	char path[NAME_ROOM];

	snprintf(path, sizeof(path), "s/%zu/%s", i, name);
	return lstat(path, ret) == 0 && S_ISDIR(ret->st_mode);
}

bool lxe_stack_look(const struct lxe_stack *stack, const char *name, struct stat *ret)
{
	for (size_t i = 0; stack && i < stack->n; i++)
		if (look_at(i, name, ret))
			return true;
	return false;
}

/* False: there is nothing below. */
static bool list_lower(const struct lxe_stack *stack, const struct lxe_stack_mount *how,
	char list[LXE_LAYERS_MAX * NAME_ROOM])
{
	size_t len = 0;
	struct stat st;

	for (size_t i = 0; i < stack->n; i++)
		if (look_at(i, how->name, &st))
			len += (size_t)snprintf(
				list + len, NAME_ROOM, "%ss/%zu/%s", len ? ":" : "", i, how->name);
	if (how->below)
		len += (size_t)snprintf(list + len, NAME_ROOM, "%s%s", len ? ":" : "", how->below);
	return len > 0;
}

/*
 * Without an index, which would bind what was written to the very layer it was written over. A work directory that
 * cannot be used makes overlayfs mount read-only without an error.
 */
static int mount_over(const struct lxe_stack_mount *how, const char *list)
{
	char options[OPTIONS_MAX];
	struct statvfs vfs;
	int r;

	r = lxe_format(options, sizeof(options), "lowerdir=%s,upperdir=rw/%s,workdir=rw/%s%s", list,
		how->name, how->work, how->user ? ",userxattr" : ",index=off");
	if (r == 0 && mount("overlay", how->target, "overlay", MS_NODEV, options) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (statvfs(how->target, &vfs) < 0)
		return -errno;
	return vfs.f_flag & ST_RDONLY ? -EROFS : 0;
}

int lxe_stack_mount(
	const struct lxe_stack *stack, const struct lxe_stack_mount *how, struct lxe_err *err)
{
	char list[LXE_LAYERS_MAX * NAME_ROOM], own[NAME_ROOM];
	int r = 0;

	snprintf(own, sizeof(own), "rw/%s", how->name);
	if (list_lower(stack, how, list))
		r = mount_over(how, list);
	else if (mount(own, how->target, NULL, MS_BIND, NULL) < 0)
		r = -errno;
	return r < 0 ? lxe_fail(err, r, "mount the overlay over %zu layers", stack->n) : 0;
}

int lxe_stack_mount_beside(const struct lxe_stack *stack, bool user, struct lxe_err *err)
{
	const struct lxe_stack_mount how[] = {
		{ .name = "tmp", .work = "wtmp", .target = LXE_STACK_BESIDE "/tmp", .user = user },
		{ .name = "root",
			.work = "wroot",
			.target = LXE_STACK_BESIDE "/root",
			.user = user },
	};
	char work[NAME_ROOM];
	int r = make_dir(LXE_STACK_BESIDE);

	for (size_t i = 0; r == 0 && i < sizeof(how) / sizeof(how[0]); i++) {
		snprintf(work, sizeof(work), "rw/%s", how[i].work);
		r = make_dir(work);
		if (r == 0)
			r = make_dir(how[i].target);
		if (r < 0)
			break;
		r = lxe_stack_mount(stack, &how[i], err);
		if (r < 0)
			return r;
	}
	return r < 0 ? lxe_fail(err, r, "make room for the layers") : 0;
}
