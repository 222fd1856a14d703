#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/commit.h"

/* A name of the source's and one of the stage's. */
struct ends {
	int at; /* the caller's */
	const char *name;
	int stage;
	char staged[32];
	char apart[32];
};

static int find_ends(struct lxe_commit *k, size_t i, struct ends *ret)
{
	ret->stage = k->stage_fd;
	snprintf(ret->staged, sizeof(ret->staged), "%zu", i);
	snprintf(ret->apart, sizeof(ret->apart), "%zu.old", i);
	ret->at = lxe_layer_parent(k->c->layer.lower, k->c->v[i].path, &ret->name);
	return ret->at < 0 ? ret->at : 0;
}

static int rename_new(int from, const char *name, int to, const char *to_name)
{
	if (renameat2(from, name, to, to_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A file system that cannot promise it. */
	if (faccessat(to, to_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(from, name, to, to_name) < 0 ? -errno : 0;
}

/* Is what was taken from the source still what was listed? */
static bool is_as_before(const struct lxe_change_side *before, int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return st.st_ino == before->ino && st.st_mode == before->mode &&
	       (!S_ISREG(st.st_mode) || (uint64_t)st.st_size == before->size) &&
	       lxe_same_time(st.st_mtim, before->modified);
}

/* ---- there and back ---- */

/* Without an exchange: a file keeps its name until another takes it; a directory is gone for a moment. */
static int swap_apart(const struct ends *e, const struct lxe_change *change)
{
	bool dirs = S_ISDIR(change->before.mode) || S_ISDIR(change->after.mode);
	int r;

	if (dirs || linkat(e->at, e->name, e->stage, e->apart, 0) < 0) {
		r = rename_new(e->at, e->name, e->stage, e->apart);
		if (r < 0)
			return r;
	}
	if (renameat(e->stage, e->staged, e->at, e->name) == 0)
		return 0;
	r = -errno;
	renameat(e->stage, e->apart, e->at, e->name);
	return r;
}

static int unswap_apart(const struct ends *e, const struct lxe_change *change)
{
	bool dirs = S_ISDIR(change->before.mode) || S_ISDIR(change->after.mode);
	int r = dirs ? rename_new(e->at, e->name, e->stage, e->staged) : 0;

	if (r < 0)
		return r;
	return renameat(e->stage, e->apart, e->at, e->name) < 0 ? -errno : 0;
}

static int swap(const struct ends *e, const struct lxe_change *change, struct lxe_op *op)
{
	if (renameat2(e->stage, e->staged, e->at, e->name, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	op->apart = true;
	return swap_apart(e, change);
}

/* Into the source, or out of it. */
static int move(const struct ends *e, bool in)
{
	return in ? rename_new(e->stage, e->staged, e->at, e->name)
		  : rename_new(e->at, e->name, e->stage, e->staged);
}

static int undo_move(struct lxe_commit *k, size_t i)
{
	const struct lxe_op *op = &k->ops[i];
	struct ends e;
	int r = find_ends(k, i, &e);

	if (r < 0)
		return r;
	if (op->kind != LXE_OP_SWAP)
		r = move(&e, op->kind == LXE_OP_TAKE);
	else if (op->apart)
		r = unswap_apart(&e, &k->c->v[i]);
	else if (renameat2(e.stage, e.staged, e.at, e.name, RENAME_EXCHANGE) < 0)
		r = -errno;
	lxe_close(e.at);
	return r;
}

static int do_move(struct lxe_commit *k, size_t i)
{
	const struct lxe_change *change = &k->c->v[i];
	struct lxe_op *op = &k->ops[i];
	struct ends e;
	int r = find_ends(k, i, &e);

	if (r < 0)
		return r;
	if (op->kind != LXE_OP_SWAP)
		r = move(&e, op->kind == LXE_OP_PUT);
	else
		r = swap(&e, change, op);
	op->done = r == 0;
	if (r == 0 && op->kind != LXE_OP_PUT &&
		!is_as_before(&change->before, e.stage, op->apart ? e.apart : e.staged))
		r = -ESTALE;
	lxe_close(e.at);
	return r == -EEXIST || r == -ENOENT ? -ESTALE : r;
}

/* ---- in place ---- */

static int set_dir(const struct lxe_change *change, const struct lxe_change_side *to,
	const struct lxe_xattrs *x, int fd)
{
	if (change->what & LXE_CHANGED_OWNER && fchown(fd, to->uid, to->gid) < 0)
		return -errno;
	if (x) {
		int r = lxe_xattrs_write(fd, x);

		if (r < 0)
			return r;
	}
	return fchmod(fd, to->mode & 07777) < 0 ? -errno : 0;
}

static int open_same(struct lxe_commit *k, const struct lxe_change *change)
{
	LXE_AUTOCLOSE int fd =
		lxe_layer_open(k->c->layer.lower, change->path, O_RDONLY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_ino == change->before.ino ? take_fd(&fd) : -ESTALE;
}

static int do_dir(struct lxe_commit *k, size_t i)
{
	const struct lxe_change *change = &k->c->v[i];
	struct lxe_op *op = &k->ops[i];
	LXE_AUTOCLOSE int fd = open_same(k, change);
	LXE_AUTOCLOSE int upper = -EBADF;
	struct lxe_xattrs x = { 0 };
	bool set = change->what & LXE_CHANGED_XATTR;
	int r;

	if (fd < 0)
		return fd;
	upper = lxe_layer_open(k->c->layer.upper, change->path, O_RDONLY | O_DIRECTORY);
	if (upper < 0)
		return upper;
	r = lxe_xattrs_read(&op->old, fd, NULL);
	if (r == 0)
		r = lxe_xattrs_read(&x, upper, &k->c->layer.ids);
	op->done = r == 0;
	if (r == 0)
		r = set_dir(change, &change->after, set ? &x : NULL, fd);
	lxe_xattrs_release(&x);
	return r;
}

static int set_file(const struct lxe_change *change, const struct lxe_change_side *to, int fd)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, to->modified };

	if (change->what == LXE_CHANGED_MODE)
		return fchmod(fd, to->mode & 07777) < 0 ? -errno : 0;
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int do_set(struct lxe_commit *k, size_t i)
{
	const struct lxe_change *change = &k->c->v[i];
	LXE_AUTOCLOSE int fd = open_same(k, change);
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!lxe_same_time(st.st_ctim, change->before.changed))
		return -ESTALE;
	r = set_file(change, &change->after, fd);
	k->ops[i].done = r == 0;
	return r;
}

static int undo_in_place(struct lxe_commit *k, size_t i)
{
	const struct lxe_change *change = &k->c->v[i];
	const struct lxe_op *op = &k->ops[i];
	LXE_AUTOCLOSE int fd = open_same(k, change);

	if (fd < 0)
		return fd;
	if (op->kind == LXE_OP_SET)
		return set_file(change, &change->before, fd);
	return set_dir(
		change, &change->before, change->what & LXE_CHANGED_XATTR ? &op->old : NULL, fd);
}

/* ---- all of it ---- */

static int do_op(struct lxe_commit *k, size_t i)
{
	switch (k->ops[i].kind) {
	case LXE_OP_NONE:
		return 0;
	case LXE_OP_PUT:
	case LXE_OP_SWAP:
	case LXE_OP_TAKE:
		return do_move(k, i);
	case LXE_OP_SET:
		return do_set(k, i);
	case LXE_OP_DIR:
		return do_dir(k, i);
	}
	return 0;
}

void lxe_commit_undo(struct lxe_commit *k, struct lxe_err *err)
{
	for (size_t i = k->c->n; i-- > 0;) {
		struct lxe_op *op = &k->ops[i];
		bool in_place = op->kind == LXE_OP_SET || op->kind == LXE_OP_DIR;
		int r;

		if (!op->done)
			continue;
		r = in_place ? undo_in_place(k, i) : undo_move(k, i);
		if (r < 0)
			k->keep_stage = true;
		op->done = false;
		/* It has been renamed twice: the same, and yet changed by us. */
		op->touched = true;
	}
	if (!k->keep_stage)
		return;
	lxe_stage_keep(k);
	lxe_hint(err, "not all could be undone: what was there is in the source's '%s'", k->stage);
}

static int fail_swap(struct lxe_commit *k, size_t i, int r, struct lxe_err *err)
{
	if (r == -ESTALE)
		lxe_fail_msg(err, r, "somebody has just changed it in the source");
	return lxe_commit_fail(k, err, r, "put in place", &k->c->v[i]);
}

int lxe_commit_swap(struct lxe_commit *k, struct lxe_err *err)
{
	/* Directories first: what is done in them changes the time by which a later commit knows them. */
	for (int dirs = 1; dirs >= 0; dirs--) {
		for (size_t i = 0; i < k->c->n; i++) {
			int r = dirs == (k->ops[i].kind == LXE_OP_DIR) ? do_op(k, i) : 0;

			if (r < 0)
				return fail_swap(k, i, r, err);
		}
	}
	return 0;
}
