/* Which layers nobody needs any more, and what they all take. See layers.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "store/layers.h"
#include "store/rootless.h"
#include "store/sandbox.h"
#include "sys/fd.h"

#define GONE ".gone-" /* and the id: nobody leads to it */
#define SIZE "size"

static int is_layer(const struct dirent *e)
{
	return lxe_id_valid(e->d_name);
}

static int is_gone(const struct dirent *e)
{
	return lxe_starts_with(e->d_name, GONE);
}

/* Those that are there, by name; `needed` has a mark for each. */
struct survey {
	int layers;
	struct dirent **v;
	bool *needed;
	int n;
};

static int by_name(const void *name, const void *entry)
{
	return strcmp(name, (*(struct dirent *const *)entry)->d_name);
}

/* And all that lies below it. What is marked has been followed. */
static int mark(struct survey *s, const char *id)
{
	char at[LXE_ID_LEN + 1];
	struct lxe_layer layer;
	struct dirent **found;
	int r;

	snprintf(at, sizeof(at), "%s", id);
	for (int steps = 0; at[0] && steps <= LXE_LAYERS_MAX; steps++) {
		found = s->n ? bsearch(at, s->v, (size_t)s->n, sizeof(struct dirent *), by_name)
			     : NULL;
		if (!found || s->needed[found - s->v])
			return 0;
		s->needed[found - s->v] = true;
		r = lxe_layer_read(s->layers, at, &layer);
		if (r < 0)
			return r;
		memcpy(at, layer.parent, sizeof(at));
	}
	return 0;
}

static int mark_of(struct survey *s, int sandboxes, const char *id)
{
	LXE_AUTOCLOSE int dir =
		openat(sandboxes, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct lxe_snapshots list = { 0 };
	struct lxe_base base = { 0 };
	int r;

	if (dir < 0)
		return errno == ENOENT ? 0 : -errno;
	r = lxe_base_read(dir, &base);
	if (r == 0)
		r = mark(s, base.top);
	if (r == 0)
		r = lxe_snapshots_read(dir, &list);
	for (size_t i = 0; r == 0 && i < list.n; i++)
		r = mark(s, list.v[i].top);
	lxe_snapshots_release(&list);
	return r;
}

static int mark_all(struct survey *s, int sandboxes)
{
	struct dirent **found;
	int n = scandirat(sandboxes, ".", &found, is_layer, alphasort), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = mark_of(s, sandboxes, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	return r;
}

/* Under another name it is nobody's, and the lock is not needed for its removal. */
static int put_away(const struct survey *s, bool dry)
{
	char gone[NAME_MAX + 1];
	int found = 0;

	for (int i = 0; i < s->n; i++) {
		if (s->needed[i])
			continue;
		found++;
		snprintf(gone, sizeof(gone), GONE "%.*s", LXE_ID_LEN, s->v[i]->d_name);
		if (!dry && renameat(s->layers, s->v[i]->d_name, s->layers, gone) < 0)
			return -errno;
	}
	return found;
}

static int survey(int layers, int sandboxes, bool dry)
{
	struct survey s = { .layers = layers };
	int r = 0;

	/* strcmp(3) and not the locale: it is searched in. */
	s.n = scandirat(layers, ".", &s.v, is_layer, alphasort);
	if (s.n < 0)
		return -errno;
	s.needed = calloc((size_t)s.n + 1, sizeof(*s.needed));
	if (!s.needed)
		r = -ENOMEM;
	if (r == 0)
		r = mark_all(&s, sandboxes);
	if (r == 0)
		r = put_away(&s, dry);
	for (int i = 0; i < s.n; i++)
		free(s.v[i]);
	free(s.v);
	free(s.needed);
	return r;
}

static int remove_gone(int layers, bool dry)
{
	struct dirent **found;
	int n = scandirat(layers, ".", &found, is_gone, alphasort), first = 0, r;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		r = dry ? 0 : lxe_tree_remove(layers, found[i]->d_name);
		first = first < 0 ? first : r;
		free(found[i]);
	}
	free(found);
	return first < 0 ? first : n;
}

int lxe_layers_sweep(int sandboxes, bool dry)
{
	LXE_AUTOCLOSE int layers =
		openat(sandboxes, "../layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r, gone;

	if (layers < 0)
		return errno == ENOENT ? 0 : -errno;
	while ((r = flock(layers, LOCK_EX)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -errno;
	r = survey(layers, sandboxes, dry);
	flock(layers, LOCK_UN);
	gone = remove_gone(layers, dry);
	if (r < 0)
		return r;
	return gone < 0 ? gone : dry ? r + gone : gone;
}

static int note_size(int layer, uint64_t size)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", size);
	return lxe_sandbox_put(layer, SIZE, text, strlen(text));
}

int lxe_layer_size(int layers, const char *id, uint64_t *ret)
{
	LXE_AUTOCLOSE int dir = openat(layers, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char text[32];
	int r;

	if (dir < 0)
		return -errno;
	if (sys_read_file(dir, SIZE, text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		if (lxe_parse_u64(text, 0, UINT64_MAX, ret) == 0)
			return 0;
	}
	r = lxe_tree_size(dir, LXE_LAYER_FILES, ret);
	if (r == -ENOENT)
		*ret = 0;
	else if (r == 0)
		note_size(dir, *ret);
	return r == -ENOENT ? 0 : r;
}

/* The file system of one with a limit is a file, of which only what was written takes room. */
int lxe_layers_own_size(int sandbox, uint64_t *ret)
{
	struct stat st;
	int r;

	if (fstatat(sandbox, LXE_SANDBOX_DISK, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*ret = (uint64_t)st.st_blocks * 512;
		return 0;
	}
	r = lxe_tree_size(sandbox, LXE_LAYER_FILES, ret);
	if (r == -ENOENT)
		*ret = 0;
	return r == -ENOENT ? 0 : r;
}
