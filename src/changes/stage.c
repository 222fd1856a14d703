#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/commit.h"
#include "changes/copy.h"

/* So many files are synced one by one; more of them with all of their file system. */
#define SYNC_EACH 16

int lxe_commit_fail(const struct lxe_commit *k, struct lxe_err *err, int r, const char *what,
	const struct lxe_change *change)
{
	const char *where = k->c->layer.where;
	char shown[400];

	lxe_excerpt(shown, sizeof(shown), change->path, strlen(change->path));
	return lxe_fail(err, r, "%s '%s'%s%s", what, shown, *where ? " in " : "", where);
}

static size_t index_of(const struct lxe_commit *k, const struct lxe_change *change)
{
	return (size_t)(change - k->c->v);
}

/* Where a change is in the stage. */
static int stage_path(const struct lxe_commit *k, size_t index, char *buf, size_t size)
{
	const struct lxe_change *change = &k->c->v[index], *top = change, *above;

	while ((above = lxe_changes_new_above(k->c, top->path)) != NULL)
		top = above;
	return lxe_format(buf, size, "%zu%s", index_of(k, top), change->path + strlen(top->path));
}

/* ---- plan ---- */

static enum lxe_op_kind kind_of(const struct lxe_commit *k, const struct lxe_change *change)
{
	bool alone = change->before.nlink == 1 && change->after.nlink == 1;

	if (!change->selected || change->kind == LXE_CHANGE_NONE || change->skipped)
		return LXE_OP_NONE;
	if (change->kind == LXE_CHANGE_DELETED)
		return LXE_OP_TAKE;
	if (change->kind == LXE_CHANGE_META && S_ISDIR(change->after.mode))
		return LXE_OP_DIR;
	if (change->kind == LXE_CHANGE_META && S_ISREG(change->after.mode) && alone &&
		(change->what == LXE_CHANGED_MODE || change->what == LXE_CHANGED_TIME))
		return LXE_OP_SET;
	if (lxe_changes_new_above(k->c, change->path))
		return LXE_OP_NONE;
	return change->before.mode ? LXE_OP_SWAP : LXE_OP_PUT;
}

static struct lxe_change *parent_of(const struct lxe_commit *k, const char *path)
{
	char dir[LXE_CHANGES_PATH_MAX + 256] = ".";
	const char *slash = strrchr(path, '/');

	if (slash && lxe_format(dir, sizeof(dir), "%.*s", (int)(slash - path), path) < 0)
		return NULL;
	return lxe_changes_find(k->c, dir);
}

int lxe_commit_plan(struct lxe_commit *k, struct lxe_err *err)
{
	for (size_t i = 0; i < k->c->n; i++) {
		struct lxe_change *change = &k->c->v[i], *parent = parent_of(k, change->path);
		struct lxe_op *op = &k->ops[i];

		op->kind = kind_of(k, change);
		op->clean = change->before.mode &&
			    lxe_record_untouched(&k->rec, &k->c->layer, &change->before);
		if (op->kind == LXE_OP_DIR)
			op->touched = true;
		if (parent && op->kind != LXE_OP_NONE && op->kind != LXE_OP_SET &&
			op->kind != LXE_OP_DIR)
			k->ops[index_of(k, parent)].touched = true;
		if (op->kind == LXE_OP_DIR && change->what & LXE_CHANGED_OWNER &&
			(change->after.uid == (uid_t)-1 || change->after.gid == (gid_t)-1))
			return lxe_commit_fail(k, err, -EOVERFLOW, "carry over", change);
	}
	return 0;
}

/* ---- the stage ---- */

/* What is renamed or loses a name is changed by that. */
static void announce_one(struct lxe_commit *k, FILE *memory, size_t i)
{
	const struct lxe_change *change = &k->c->v[i];
	const struct lxe_op *op = &k->ops[i];
	bool dir = S_ISDIR(change->before.mode);

	if (op->clean && dir && (op->touched || change->selected || i == 0))
		lxe_record_put(memory, LXE_RECORD_TOUCH, change->path, &change->before);
	else if (op->clean && !dir && change->before.nlink > 1 &&
		 (op->kind != LXE_OP_NONE || change->kind == LXE_CHANGE_NONE))
		lxe_record_put(memory, LXE_RECORD_FILE, change->path, &change->before);
}

/* Before it is made, so that there is none that nobody knows of. */
static int announce(struct lxe_commit *k)
{
	LXE_AUTOFREE char *bytes = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&bytes, &len);

	if (!memory)
		return -ENOMEM;
	lxe_record_put(memory, LXE_RECORD_STAGE, k->stage, NULL);
	for (size_t i = 0; i < k->c->n; i++)
		announce_one(k, memory, i);
	if (fclose(memory) == EOF)
		return -ENOMEM;
	return lxe_record_append(k->c->layer.record, bytes, len);
}

/* What the source's directory hands down to what is made in it is not meant for the stage. */
static int make_private(int fd)
{
	static const struct lxe_xattrs none;
	int r = lxe_xattrs_write(fd, &none);

	return r == 0 && fchmod(fd, 0700) < 0 ? -errno : r;
}

static int name_stage(struct lxe_commit *k)
{
	uint64_t id;

	if (k->c->layer.stage[0])
		return lxe_format(k->stage, sizeof(k->stage), "%s", k->c->layer.stage);
	if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
		return -EIO;
	return lxe_format(k->stage, sizeof(k->stage), ".lxe-commit-%016" PRIx64, id);
}

static int make_stage(struct lxe_commit *k)
{
	int lower = k->c->layer.lower, r = name_stage(k);

	if (r == 0)
		r = announce(k);
	/* By that name it can only be what an earlier one has left, whose record is gone. */
	if (r == 0 && k->c->layer.stage[0])
		r = lxe_stage_remove(lower, k->stage);
	if (r < 0)
		return r;
	if (mkdirat(lower, k->stage, 0700) < 0)
		return -errno;
	k->stage_fd = lxe_layer_open(lower, k->stage, O_RDONLY | O_DIRECTORY);
	if (k->stage_fd < 0)
		return k->stage_fd;
	/* So that nobody takes it away from us; where there are no locks nobody can. */
	flock(k->stage_fd, LOCK_EX | LOCK_NB);
	return make_private(k->stage_fd);
}

/* ---- what is in it ---- */

/* Another name of what is in the source already, or in the stage. -ENOENT: of nothing that is. */
static int link_to(
	struct lxe_commit *k, const struct lxe_change *first, int to, const char *to_name)
{
	struct lxe_op *op = &k->ops[index_of(k, first)];
	char path[LXE_CHANGES_PATH_MAX + 256];
	LXE_AUTOCLOSE int at = -EBADF;
	const char *name;
	struct stat st;
	int r;

	if (op->staged) {
		r = stage_path(k, op->staged - 1, path, sizeof(path));
		if (r < 0)
			return r;
		at = lxe_layer_parent(k->stage_fd, path, &name);
	} else if (first->kind == LXE_CHANGE_NONE) {
		at = lxe_layer_parent(k->c->layer.lower, first->path, &name);
		if (at >= 0 && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (at >= 0 && st.st_ino != first->before.ino)
			return -ESTALE;
		op->touched = true;
	} else {
		return -ENOENT;
	}
	if (at < 0)
		return at;
	return linkat(at, name, to, to_name, 0) < 0 ? -errno : 0;
}

static int stage_object(struct lxe_commit *k, size_t i, const struct lxe_copy *copy)
{
	const struct lxe_change *change = &k->c->v[i];
	const struct lxe_change *first = change->link ? lxe_changes_find(k->c, change->link) : NULL;
	int r = -ENOENT;

	if (first)
		r = link_to(k, first, copy->to, copy->to_name);
	if (r == 0 || (r != -ENOENT && r != -EPERM && r != -EMLINK))
		return r;
	r = lxe_copy_object(copy);
	if (r < 0)
		return r;
	k->ops[i].staged = i + 1;
	if (first && first->kind != LXE_CHANGE_NONE)
		k->ops[index_of(k, first)].staged = i + 1;
	return 0;
}

/* Is it to be written into the stage? */
static bool is_new(const struct lxe_commit *k, size_t i)
{
	const struct lxe_change *change = &k->c->v[i];
	enum lxe_op_kind kind = k->ops[i].kind;

	if (kind == LXE_OP_PUT || kind == LXE_OP_SWAP)
		return true;
	return kind == LXE_OP_NONE && change->selected && !change->skipped &&
	       change->kind == LXE_CHANGE_ADDED;
}

static int stage_one(struct lxe_commit *k, size_t i, bool end, bool sync)
{
	const struct lxe_change *change = &k->c->v[i];
	char path[LXE_CHANGES_PATH_MAX + 256];
	struct lxe_copy copy = { .layer = &k->c->layer, .change = change, .sync = sync };
	int r = stage_path(k, i, path, sizeof(path));
	LXE_AUTOCLOSE int from = -EBADF;
	LXE_AUTOCLOSE int to = -EBADF;

	if (r < 0)
		return r;
	from = copy.from = lxe_layer_parent(k->c->layer.upper, change->path, &copy.from_name);
	to = copy.to = lxe_layer_parent(k->stage_fd, path, &copy.to_name);
	if (from < 0 || to < 0)
		return from < 0 ? lxe_layer_gone(from) : to;
	if (!S_ISDIR(change->after.mode))
		return stage_object(k, i, &copy);
	return end ? lxe_copy_dir_end(&copy) : lxe_copy_dir_begin(&copy);
}

/* From now on what the sandbox takes out of such a directory is taken out of the source's, too. */
static int mark_opaque(struct lxe_commit *k, const struct lxe_change *change)
{
	const char *name = k->c->layer.userxattr ? "user.overlay.opaque" : "trusted.overlay.opaque";
	LXE_AUTOCLOSE int fd = -EBADF;

	fd = lxe_layer_open(k->c->layer.upper, change->path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	return fsetxattr(fd, name, "y", 1, 0) < 0 ? -errno : 0;
}

static int stage_all(struct lxe_commit *k, struct lxe_err *err)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < k->c->n; i++)
		n += is_new(k, i);
	for (size_t i = 0; i < k->c->n; i++) {
		r = is_new(k, i) ? stage_one(k, i, false, n <= SYNC_EACH) : 0;
		if (r < 0)
			return lxe_commit_fail(k, err, r, "carry over", &k->c->v[i]);
	}
	/* Writing into a directory changes its time, so each is finished after what is in it. */
	for (size_t i = k->c->n; i-- > 0;) {
		if (!is_new(k, i) || !S_ISDIR(k->c->v[i].after.mode))
			continue;
		r = stage_one(k, i, true, false);
		if (r == 0)
			r = mark_opaque(k, &k->c->v[i]);
		if (r < 0)
			return lxe_commit_fail(k, err, r, "carry over", &k->c->v[i]);
	}
	if (n > SYNC_EACH && syncfs(k->stage_fd) < 0)
		return lxe_fail(err, -errno, "write to the source's disk");
	return 0;
}

int lxe_commit_stage(struct lxe_commit *k, struct lxe_err *err)
{
	int r = make_stage(k);

	if (r < 0)
		return lxe_fail(err, r, "make a directory in %s",
			*k->c->layer.where ? k->c->layer.where : "the source");
	return stage_all(k, err);
}
