#include "store/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "store/dirs.h"
#include "store/rootless.h"
#include "store/sandbox.h"
#include "sys/dir.h"
#include "sys/fd.h"

#define ABOUT "about"
#define DROP "drop"
#define DROPPED LXE_SANDBOX_DROPPED

int lxe_layers_open(const char *state)
{
	char path[PATH_MAX];
	int r = lxe_format(path, sizeof(path), "%s/layers", state);

	return r < 0 ? r : sys_open_dir(AT_FDCWD, path);
}

int lxe_layers_lock(const char *state, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	char path[PATH_MAX];
	int r;

	r = lxe_format(path, sizeof(path), "%s/layers", state);
	if (r == 0)
		r = lxe_dirs_make(path, err);
	if (r < 0)
		return lxe_fail(err, r, "open the layers below '%s'", state);
	fd = sys_open_dir(AT_FDCWD, path);
	while (fd >= 0 && (r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (fd < 0 || r < 0)
		return lxe_fail(err, fd < 0 ? fd : -errno, "lock '%s'", path);
	return take_fd(&fd);
}

/* The next word of a line: an id, or "-" for none. */
static int take_id(char **rest, char ret[LXE_ID_LEN + 1])
{
	const char *word = strsep(rest, " \n");

	if (!word)
		return -EBADMSG;
	if (strcmp(word, "-") == 0) {
		ret[0] = '\0';
		return 0;
	}
	if (!lxe_id_valid(word))
		return -EBADMSG;
	memcpy(ret, word, LXE_ID_LEN + 1);
	return 0;
}

static int take_number(char **rest, uint64_t max, uint64_t *ret)
{
	const char *word = strsep(rest, " \n");

	return word && lxe_parse_u64(word, 0, max, ret) == 0 ? 0 : -EBADMSG;
}

static const char *id_or_none(const char *id)
{
	return id[0] ? id : "-";
}

int lxe_layer_read(int layers, const char *id, struct lxe_layer *ret)
{
	LXE_AUTOCLOSE int dir = lxe_id_valid(id) ? sys_open_dir(layers, id) : -EBADMSG;
	struct lxe_layer layer = { 0 };
	char text[64], *rest = text;
	uint64_t owner = 0, depth = 0;
	ssize_t n;
	int r;

	if (dir < 0)
		return dir;
	n = sys_read_file(dir, ABOUT, text, sizeof(text));
	if (n < 0)
		return -EBADMSG;
	r = take_id(&rest, layer.parent);
	if (r == 0)
		r = take_number(&rest, UINT32_MAX, &owner);
	if (r == 0)
		r = take_number(&rest, LXE_LAYERS_MAX, &depth);
	if (r < 0 || depth == 0)
		return -EBADMSG;
	memcpy(layer.id, id, LXE_ID_LEN + 1);
	layer.owner = (uint32_t)owner;
	layer.depth = (uint32_t)depth;
	*ret = layer;
	return 0;
}

int lxe_base_read(int sandbox, struct lxe_base *ret)
{
	char text[64], *rest = text;
	struct lxe_base base = { 0 };
	const char *word;
	ssize_t n = sys_read_file(sandbox, LXE_SANDBOX_BASE, text, sizeof(text));

	if (n == -ENOENT)
		*ret = base;
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	if (take_id(&rest, base.top) < 0)
		return -EBADMSG;
	word = strsep(&rest, " \n");
	base.drop = word && strcmp(word, DROP) == 0;
	*ret = base;
	return 0;
}

int lxe_base_write(int sandbox, const struct lxe_base *base)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%s\n", id_or_none(base->top), base->drop ? " " DROP : "");
	return lxe_sandbox_put(sandbox, LXE_SANDBOX_BASE, text, strlen(text));
}

static int rename_if_there(int from, const char *name, int to, const char *new)
{
	return renameat(from, name, to, new) < 0 && errno != ENOENT ? -errno : 0;
}

int lxe_base_settle(int sandbox)
{
	struct lxe_base base = { 0 };
	int r = lxe_base_read(sandbox, &base);

	if (r < 0)
		return r;
	/* Of whoever was killed behind the rename below, or in the removal. */
	r = lxe_tree_remove(sandbox, DROPPED);
	if (r < 0 || !base.drop)
		return r;
	r = rename_if_there(sandbox, LXE_LAYER_FILES, sandbox, DROPPED);
	base.drop = false;
	if (r == 0)
		r = lxe_base_write(sandbox, &base);
	return r < 0 ? r : lxe_tree_remove(sandbox, DROPPED);
}

static bool is_empty(int at, const char *name)
{
	int r = 0;
	SYS_AUTODIR DIR *dir = sys_dir_read(sys_open_dir(at, name), &r);

	/* What cannot be looked at may hold anything. */
	return dir ? !sys_dir_next(dir, &r) && r == 0 : r == -ENOENT;
}

static int new_layer(int layers, const struct lxe_layer *layer)
{
	LXE_AUTOCLOSE int dir = -EBADF;
	char text[64];

	/* Nobody has to pass but who mounts it. */
	if (mkdirat(layers, layer->id, 0700) < 0)
		return -errno;
	dir = sys_open_dir(layers, layer->id);
	if (dir < 0)
		return dir;
	snprintf(text, sizeof(text), "%s %u %u\n", id_or_none(layer->parent), layer->owner,
		layer->depth);
	return lxe_sandbox_put(dir, ABOUT, text, strlen(text));
}

static int fill(int layers, int sandbox, const struct lxe_layer *layer, struct lxe_base *base)
{
	LXE_AUTOCLOSE int dir = sys_open_dir(layers, layer->id);
	int r;

	if (dir < 0)
		return dir;
	/*
	 * First the base, with nothing in it, and then the files: whoever is killed in between leaves
	 * a sandbox that looks no different from inside.
	 */
	memcpy(base->top, layer->id, sizeof(base->top));
	r = lxe_base_write(sandbox, base);
	if (r == 0 && renameat(sandbox, LXE_LAYER_FILES, dir, LXE_LAYER_FILES) < 0)
		r = -errno;
	return r;
}

/* Nothing in it, and it looks itself as the one below does, whose owners may be others. */
static bool is_same(int sandbox, int below, const char *name, uint32_t shift)
{
	struct stat own, other;

	if (fstatat(sandbox, name, &own, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	return is_empty(sandbox, name) && fstatat(below, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       own.st_mode == other.st_mode && own.st_uid == other.st_uid + shift &&
	       own.st_gid == other.st_gid + shift;
}

/* A sandbox that was started and has written nothing is no deeper for it. */
static bool is_unchanged(int layers, int sandbox, const struct lxe_layer *below, uint32_t owner)
{
	static const char *const parts[] = { "rw/u", "rw/tmp", "rw/root" };
	LXE_AUTOCLOSE int dir = below->id[0] ? sys_open_dir(layers, below->id) : -ENOENT;
	bool same = dir >= 0;

	for (size_t i = 0; same && i < sizeof(parts) / sizeof(parts[0]); i++)
		same = is_same(sandbox, dir, parts[i], owner - below->owner);
	return same;
}

int lxe_layer_freeze(int layers, int sandbox, uint32_t owner, struct lxe_base *ret)
{
	struct lxe_layer below = { 0 }, layer = { .owner = owner };
	struct lxe_base base = { 0 };
	struct stat st;
	int r;

	r = lxe_base_read(sandbox, &base);
	if (r == 0 && fstatat(sandbox, LXE_LAYER_FILES, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
		*ret = base;
		return 0;
	}
	if (r == 0 && base.top[0])
		r = lxe_layer_read(layers, base.top, &below);
	if (r == 0 && is_unchanged(layers, sandbox, &below, owner)) {
		*ret = base;
		return 0;
	}
	if (r == 0 && below.depth >= LXE_LAYERS_MAX)
		r = -E2BIG;
	if (r == 0)
		r = lxe_id_new(layer.id);
	if (r < 0)
		return r;
	layer.depth = below.depth + 1;
	memcpy(layer.parent, base.top, sizeof(layer.parent));
	r = new_layer(layers, &layer);
	if (r == 0)
		r = fill(layers, sandbox, &layer, &base);
	if (r == 0)
		*ret = base;
	return r;
}
