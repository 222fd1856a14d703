#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/check.h"
#include "changes/commit.h"
#include "sys/dir.h"

/* ---- what is left of a commit ---- */

static int note(const struct lxe_cow_layer *layer, enum lxe_record_kind kind, const char *name)
{
	LXE_AUTOFREE char *bytes = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&bytes, &len);

	if (!memory)
		return -ENOMEM;
	lxe_record_put(memory, kind, name, NULL);
	if (fclose(memory) == EOF)
		return -ENOMEM;
	return lxe_record_append(layer->record, bytes, len);
}

/* The name of a stage is the last word on it: sorted by age, its end comes after its beginning. */
static int remove_stages(
	const struct lxe_record *rec, const struct lxe_cow_layer *layer, struct lxe_err *err)
{
	for (size_t i = 0; i < rec->n; i++) {
		const struct lxe_record_entry *e = &rec->v[i];
		bool last = i + 1 == rec->n || strcmp(rec->v[i + 1].path, e->path) != 0;
		int r;

		if (e->kind != LXE_RECORD_STAGE || !last || strchr(e->path, '/'))
			continue;
		r = lxe_stage_remove(layer->lower, e->path);
		if (r == 0)
			r = note(layer, LXE_RECORD_STAGE_GONE, e->path);
		if (r < 0)
			return lxe_fail(err, r,
				"remove '%s', which a commit that was killed has left in %s",
				e->path, *layer->where ? layer->where : "the source");
	}
	return 0;
}

int lxe_changes_recover(const struct lxe_cow_layer *layer, struct lxe_err *err)
{
	struct lxe_record rec = { 0 };
	int r = lxe_commits_read(&rec, layer->record);

	if (r < 0)
		return lxe_fail(err, r, "read what earlier commits have done");
	r = remove_stages(&rec, layer, err);
	lxe_commits_release(&rec);
	return r;
}

/* ---- times of directories ---- */

static void set_time(struct lxe_commit *k, size_t i, struct timespec modified)
{
	LXE_AUTOCLOSE int fd =
		lxe_layer_open(k->c->layer.lower, k->c->v[i].path, O_RDONLY | O_DIRECTORY);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, modified };
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && !lxe_same_time(st.st_mtim, modified))
		k->ops[i].timed = futimens(fd, times) == 0;
}

/* What is done in a directory changes its time: to what the sandbox has made it, or, when nothing is done, back. */
static void set_times(struct lxe_commit *k, bool done)
{
	for (size_t i = 0; i < k->c->n; i++) {
		const struct lxe_change *change = &k->c->v[i];
		bool touched = k->ops[i].touched || i == 0;

		if (!S_ISDIR(change->before.mode) || !S_ISDIR(change->after.mode))
			continue;
		if (done && change->selected)
			set_time(k, i, change->after.modified);
		else if (touched && (!done || !k->ops[i].touched))
			set_time(k, i, change->before.modified);
	}
}

/* ---- a commit ---- */

/* Is it in the source, as this commit has left it, and as nobody else has? */
static bool is_ours(const struct lxe_commit *k, size_t i, bool done)
{
	const struct lxe_change *change = &k->c->v[i];

	if (k->ops[i].clean && (k->ops[i].touched || k->ops[i].timed || i == 0))
		return true;
	return done && change->selected && change->kind != LXE_CHANGE_NONE && change->after.mode &&
	       !change->skipped;
}

static void record_all(struct lxe_commit *k, bool done, FILE *memory)
{
	for (size_t i = 0; i < k->c->n; i++) {
		struct lxe_change_side side = { 0 };
		struct stat st;

		if (done && (k->ops[i].kind == LXE_OP_TAKE || k->ops[i].kind == LXE_OP_SWAP))
			lxe_record_put(memory, LXE_RECORD_DONE, k->c->v[i].path, &side);
		if (!is_ours(k, i, done) ||
			lxe_layer_stat(k->c->layer.lower, k->c->v[i].path, &st) < 0)
			continue;
		if (!done && st.st_ino != k->c->v[i].before.ino)
			continue;
		lxe_side_set(&side, &st, NULL);
		lxe_record_put(memory, LXE_RECORD_DONE, k->c->v[i].path, &side);
	}
}

/* A file of several names is changed when it loses one: what is left of it is as before. */
static int remove_file(int at, const char *name, const struct stat *st, FILE *memory)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	struct lxe_change_side side;
	struct stat left;

	if (st->st_nlink > 1)
		fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (unlinkat(at, name, 0) < 0)
		return -errno;
	if (fd < 0 || fstat(fd, &left) < 0)
		return 0;
	lxe_side_set(&side, &left, NULL);
	lxe_record_put(memory, LXE_RECORD_DONE, "", &side);
	return 0;
}

static int remove_tree(int at, const char *name, FILE *memory, unsigned int depth)
{
	int r = depth > LXE_CHANGES_DEPTH_MAX + 2 ? -ELOOP : 0;
	SYS_AUTODIR DIR *dir = r < 0 ? NULL : sys_dir_read(sys_open_dir(at, name), &r);
	const struct dirent *e;
	struct stat st;

	while ((e = sys_dir_next(dir, &r))) {
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		else if (S_ISDIR(st.st_mode))
			r = remove_tree(dirfd(dir), e->d_name, memory, depth + 1);
		else
			r = remove_file(dirfd(dir), e->d_name, &st, memory);
	}
	if (r == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

/* Should it fail, the next commit tries again. What is said of the files in it is true only of those that were there. */
static void remove_stage(struct lxe_commit *k, bool done, FILE *memory)
{
	LXE_AUTOFREE char *nothing = NULL;
	size_t len = 0;
	FILE *sink = done ? memory : open_memstream(&nothing, &len);
	int r;

	r = k->stage[0] && !k->keep_stage && sink
		    ? remove_tree(k->c->layer.lower, k->stage, sink, 0)
		    : 0;
	if (sink && sink != memory)
		fclose(sink);
	if (k->stage[0] && (r == 0 || r == -ENOENT))
		lxe_record_put(memory, LXE_RECORD_STAGE_GONE, k->stage, NULL);
	lxe_drop_fd(&k->stage_fd);
}

/* All is in place, or nothing is. */
static int finish(struct lxe_commit *k, bool done)
{
	LXE_AUTOFREE char *bytes = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&bytes, &len);

	if (!memory)
		return -ENOMEM;
	remove_stage(k, done, memory);
	set_times(k, done);
	record_all(k, done, memory);
	if (fclose(memory) == EOF)
		return -ENOMEM;
	return lxe_record_append(k->c->layer.record, bytes, len);
}

static int refuse(const struct lxe_changes *c, size_t conflicts, struct lxe_err *err)
{
	char names[300] = "";
	size_t named = 0;

	for (size_t i = 0; i < c->n && named < 3; i++) {
		const struct lxe_change *change = &c->v[i];
		const char *path = change->culprit ? change->culprit : change->path;
		char shown[90];

		if (!change->conflict)
			continue;
		lxe_excerpt(shown, sizeof(shown), path, strlen(path));
		lxe_format(names + strlen(names), sizeof(names) - strlen(names), "%s'%s'",
			named++ ? ", " : "", shown);
	}
	lxe_fail_msg(err, -ESTALE, "the source has changed since the sandbox began: %s%s%s%s",
		names, conflicts > named ? " and more" : "", *c->layer.where ? " in " : "",
		c->layer.where);
	lxe_hint(err, "nothing has been carried over; name other paths to commit these alone");
	return -ESTALE;
}

/* Staging takes time with what there is to copy, and somebody may have been at work in the source meanwhile. */
static int check_again(struct lxe_commit *k, struct lxe_err *err)
{
	struct lxe_record rec = { 0 };
	size_t conflicts = 0;
	int r = lxe_commits_read(&rec, k->c->layer.record);

	if (r < 0)
		return lxe_fail(err, r, "read what earlier commits have done");
	r = lxe_changes_check_with(k->c, &rec, &conflicts, err);
	lxe_commits_release(&rec);
	return r == 0 && conflicts ? refuse(k->c, conflicts, err) : r;
}

static bool has_some(const struct lxe_changes *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].selected && c->v[i].kind != LXE_CHANGE_NONE && !c->v[i].skipped)
			return true;
	return false;
}

/* All of it but to put it in place. Where only times are to be changed, the source need not be one that we may write to. */
static int prepare(struct lxe_commit *k, struct lxe_err *err)
{
	size_t conflicts = 0;
	int r = lxe_changes_recover(&k->c->layer, err);

	if (r < 0)
		return r;
	r = lxe_commits_read(&k->rec, k->c->layer.record);
	if (r < 0)
		return lxe_fail(err, r, "read what earlier commits have done");
	r = lxe_changes_check_with(k->c, &k->rec, &conflicts, err);
	if (r == 0 && conflicts)
		r = refuse(k->c, conflicts, err);
	if (r < 0)
		return r;
	k->ops = calloc(k->c->n + 1, sizeof(*k->ops));
	if (!k->ops)
		return lxe_fail(err, -ENOMEM, "commit");
	r = lxe_commit_plan(k, err);
	return r == 0 && has_some(k->c) ? lxe_commit_stage(k, err) : r;
}

/* What can be refused is, before anything is touched; what fails then takes all of it back. */
static int carry_over(struct lxe_commit *all, size_t n, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = prepare(&all[i], err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = has_some(all[i].c) ? check_again(&all[i], err) : 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = has_some(all[i].c) ? lxe_commit_swap(&all[i], err) : 0;
	for (size_t i = n; r < 0 && i-- > 0;)
		if (all[i].ops)
			lxe_commit_undo(&all[i], err);
	if (r == -ENOSPC || r == -EDQUOT)
		lxe_hint(err, "nothing has been carried over; make room and commit again");
	for (size_t i = 0; r == 0 && i < n; i++)
		if (all[i].stage_fd >= 0)
			syncfs(all[i].stage_fd);
	return r;
}

static void release(struct lxe_commit *k)
{
	for (size_t i = 0; k->ops && i < k->c->n; i++)
		lxe_xattrs_release(&k->ops[i].old);
	free(k->ops);
	lxe_commits_release(&k->rec);
}

int lxe_changes_apply(struct lxe_changes *const *changes, size_t n, struct lxe_err *err)
{
	struct lxe_commit *all = calloc(n + 1, sizeof(*all));
	int r;

	if (!all)
		return lxe_fail(err, -ENOMEM, "commit");
	for (size_t i = 0; i < n; i++)
		all[i] = (struct lxe_commit){ .c = changes[i], .stage_fd = -EBADF };
	r = carry_over(all, n, err);
	for (size_t i = 0, done = r == 0; i < n; i++) {
		int written = all[i].ops ? finish(&all[i], done) : 0;

		if (r == 0 && written < 0)
			r = lxe_fail(err, written, "note what has been carried over");
		release(&all[i]);
	}
	free(all);
	return r;
}
