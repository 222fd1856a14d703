#include "client/cow.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "client/cow_mark.h"
#include "client/cow_overlap.h"
#include "client/cow_paths.h"
#include "client/cow_said.h"
#include "rootfs/cow.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/tree.h"

#define DROPPED "dropped"

/* What the child tells, in memory that it shares with us. */
struct report {
	int r;
	bool told;
	struct lxe_cow_told what;
	struct lxe_err err;
};

struct work {
	const struct lxe_cow_how *how;
	struct lxe_cow_layers *layers;
	struct lxe_changes *changes; /* of each layer */
	struct report *report;
	FILE *out;
	size_t shown; /* layers in `out` */
};

static const char *const verbs[] = {
	[LXE_COW_DIFF] = "diff",
	[LXE_COW_COUNT] = "inspect",
	[LXE_COW_COMMIT] = "commit",
	[LXE_COW_DISCARD] = "discard",
	[LXE_COW_TIDY] = "destroy",
};

static int scan(struct work *w, size_t i, struct lxe_err *err)
{
	struct lxe_cow_one *one = &w->layers->v[i];
	int r;

	r = one->empty || one->layer.lower < 0 ? 0
					       : lxe_changes_scan(&w->changes[i], &one->layer, err);
	if (r == 0 && w->how->n_paths)
		r = lxe_cow_select(&w->changes[i], w->layers, i, w->how, err);
	if (r == 0)
		lxe_cow_count(&w->report->what, &w->changes[i]);
	return r;
}

static int scan_all(struct work *w, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->layers->n; i++)
		r = scan(w, i, err);
	return r;
}

static int write_list(struct work *w, struct lxe_err *err)
{
	static const enum lxe_changes_format formats[] = {
		[LXE_COW_TEXT] = LXE_CHANGES_TEXT,
		[LXE_COW_JSON] = LXE_CHANGES_JSON,
		[LXE_COW_PATCH] = LXE_CHANGES_PATCH,
	};
	bool json = w->how->form == LXE_COW_JSON;
	int r = 0;

	if (json)
		fprintf(w->out, "[");
	for (size_t i = 0; r == 0 && i < w->layers->n; i++) {
		if (w->layers->v[i].empty || (!json && !lxe_cow_has_some(&w->changes[i])))
			continue;
		/* In JSON it is said which source it is. */
		w->changes[i].layer.where =
			json ? w->layers->v[i].mount->src : w->layers->v[i].layer.where;
		if (json && w->shown++)
			fprintf(w->out, ",");
		r = lxe_changes_write(&w->changes[i], formats[w->how->form], w->out, err);
	}
	if (json)
		fprintf(w->out, "]\n");
	if (r == 0 && fflush(w->out) != 0)
		r = lxe_fail(err, -errno, "write the list of changes");
	return r;
}

static int check(struct work *w, struct lxe_err *err)
{
	struct lxe_cow_told *told = &w->report->what;
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->layers->n; i++) {
		size_t conflicts = 0;

		if (w->layers->v[i].empty)
			continue;
		r = lxe_changes_check(&w->changes[i], &conflicts, err);
		if (conflicts)
			lxe_cow_tell_conflicts(w->how->conflicts, &w->changes[i]);
		told->conflicts += conflicts;
	}
	if (r == 0 && !told->conflicts)
		return lxe_cow_check_overlaps(
			w->layers, w->changes, w->how->conflicts, &told->conflicts, err);
	if (r < 0)
		return r;
	lxe_hint(err, "lxc-exec diff shows what there is; commit the other paths by their "
		      "names, or take the source's into the sandbox first");
	return lxe_fail_msg(err, -ESTALE,
		"commit: nothing was committed, because of %llu path%s that the source has changed as well",
		(unsigned long long)told->conflicts, told->conflicts == 1 ? "" : "s");
}

/* By another name first: what is dropped is dropped as a whole. */
static int drop(const struct lxe_cow_one *one, struct lxe_err *err)
{
	int r;

	if (one->empty)
		return 0;
	r = one->layer.lower < 0 ? 0 : lxe_changes_recover(&one->layer, err);
	if (r < 0)
		return r;
	r = sys_tree_remove(one->dir, DROPPED);
	if (r == 0 && renameat(one->dir, LXE_COW_UPPER, one->dir, DROPPED) < 0)
		r = -errno;
	if (r == 0)
		r = sys_tree_remove(one->dir, DROPPED);
	/* Overlayfs's own, of what is no more; and what commits have noted of it. */
	if (r == 0)
		r = sys_tree_remove(one->dir, "w");
	if (r == 0)
		r = sys_tree_remove(one->dir, "record");
	return r < 0 ? lxe_fail(err, r, "drop what was written over '%s'", one->mount->src) : 0;
}

/* Of one that has ended: a layer that says the same as the source is none any more. */
static int drop_empty(const struct work *w, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->layers->n; i++) {
		const struct lxe_cow_one *one = &w->layers->v[i];
		struct lxe_changes left = { 0 };

		if (one->empty)
			continue;
		r = lxe_changes_scan(&left, &one->layer, err);
		if (r == 0 && lxe_changes_count(&left) == 0)
			r = drop(one, err);
		lxe_changes_release(&left);
	}
	return r;
}

static int apply(struct work *w, struct lxe_err *err)
{
	LXE_AUTOFREE struct lxe_changes **all =
		calloc(w->layers->n + 1, sizeof(struct lxe_changes *));
	size_t n = 0;

	if (!all)
		return lxe_fail(err, -ENOMEM, "commit");
	for (size_t i = 0; i < w->layers->n; i++)
		if (!w->layers->v[i].empty)
			all[n++] = &w->changes[i];
	return lxe_changes_apply(all, n, err);
}

static int commit(struct work *w, struct lxe_err *err)
{
	int r = check(w, err);

	/* A program is told of them in the form that it reads. */
	if (r == -ESTALE && w->out && w->how->form == LXE_COW_JSON)
		write_list(w, NULL);
	if (r == 0 && !w->how->dry)
		r = apply(w, err);
	if (r == 0 && !w->how->dry && w->layers->held.dir >= 0)
		r = drop_empty(w, err);
	if (r == 0 && w->how->marks)
		r = lxe_cow_mark(&w->layers->info.place, false, err);
	return r == 0 && w->out ? write_list(w, err) : r;
}

static int tidy(const struct work *w, struct lxe_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->layers->n; i++)
		if (!w->layers->v[i].empty)
			r = lxe_changes_recover(&w->layers->v[i].layer, err);
	return r;
}

static bool is_alone(enum lxe_cow_act act)
{
	return act == LXE_COW_COMMIT || act == LXE_COW_DISCARD || act == LXE_COW_TIDY;
}

static int act(struct work *w, struct lxe_err *err)
{
	int r = lxe_cow_layers_open(w->layers, is_alone(w->how->act), err);

	if (r == 0 && w->how->act != LXE_COW_TIDY)
		r = scan_all(w, err);
	if (r < 0)
		return r;
	switch (w->how->act) {
	case LXE_COW_COUNT:
		return 0;
	case LXE_COW_DIFF:
		return write_list(w, err);
	case LXE_COW_TIDY:
		return tidy(w, err);
	case LXE_COW_COMMIT:
		r = commit(w, err);
		if (r == -EBUSY)
			lxe_hint(err, "what runs in the sandbox is changing it: stop that first");
		return r;
	case LXE_COW_DISCARD:
		for (size_t i = 0; r == 0 && i < w->layers->n; i++)
			r = drop(&w->layers->v[i], err);
		return r;
	}
	return r;
}

static int work(struct work *w, struct lxe_err *err)
{
	int r = 0;

	if (w->how->out >= 0) {
		w->out = fdopen(w->how->out, "w");
		if (!w->out)
			return lxe_fail(err, -errno, "write the list of changes");
	}
	w->changes = calloc(w->layers->n + 1, sizeof(*w->changes));
	if (!w->changes)
		return lxe_fail(err, -ENOMEM, "list the changes");
	if (lxe_is_rootless())
		r = lxe_rootless_enter(err);
	if (r == 0)
		r = act(w, err);
	for (size_t i = 0; i < w->layers->n; i++)
		lxe_changes_release(&w->changes[i]);
	free(w->changes);
	return r;
}

/* Whoever kills the caller's processes by their group or by its terminal does not stop a commit half-way. */
static void run_child(struct work *w)
{
	struct report *report = w->report;

	if (is_alone(w->how->act))
		setsid();
	else
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	report->r = work(w, &report->err);
	if (is_alone(w->how->act))
		lxe_cow_end(w->layers);
	report->told = true;
	_exit(0);
}

static int fork_work(struct work *w, struct lxe_err *err)
{
	int status = 0, r;
	pid_t pid = fork();

	if (pid < 0)
		return lxe_fail(err, -errno, "start a process");
	if (pid == 0)
		run_child(w);
	r = sys_wait(pid, &status);
	if (r < 0)
		return lxe_fail(err, r, "wait for a process");
	if (!w->report->told)
		return lxe_fail_msg(err,
			WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE ? -EPIPE : -EINTR,
			"%s: it was killed by signal %d", verbs[w->how->act], WTERMSIG(status));
	if (w->report->r < 0 && err)
		*err = w->report->err;
	return w->report->r;
}

static int refuse_none(const struct lxe_cow_layers *layers, const char *verb, struct lxe_err *err)
{
	lxe_hint(err, "such binds are made with the sandbox: --workdir DIR:cow");
	return lxe_fail_msg(err, -ENOENT, "%s: sandbox '%s' has no copy-on-write bind", verb,
		lxe_info_name(&layers->info));
}

int lxe_client_cow(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const struct lxe_cow_how *how, struct lxe_cow_told *told, struct lxe_err *err)
{
	bool writes = how->act == LXE_COW_COMMIT || how->act == LXE_COW_DISCARD;
	LXE_AUTOCLOSE int list = -EBADF;
	struct lxe_cow_how quiet = *how;
	struct lxe_cow_layers layers;
	struct work w = { .how = &quiet, .layers = &layers };
	int r;

	/* Whoever reads slowly, or not at all, holds up neither the sandbox nor anybody else at it. */
	if (how->out >= 0) {
		list = quiet.out = sys_memfd("lxe-changes", 0);
		if (list < 0)
			return lxe_fail(err, list, "list the changes");
	}

	r = lxe_cow_layers_find(&layers, place, dirs, verbs[how->act], how, err);
	if (r == 0 && !layers.n && (writes || how->n_paths))
		r = refuse_none(&layers, verbs[how->act], err);
	w.report = mmap(
		NULL, sizeof(*w.report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == 0 && w.report == MAP_FAILED)
		r = lxe_fail(err, -ENOMEM, "list the changes");
	if (r == 0 && how->marks)
		r = lxe_cow_mark(place, true, err);
	if (r == 0 && how->act == LXE_COW_COMMIT && !how->dry)
		r = lxe_cow_begin(&layers, err);
	if (r == 0)
		r = fork_work(&w, err);
	if (w.report != MAP_FAILED) {
		*told = w.report->what;
		munmap(w.report, sizeof(*w.report));
	}
	lxe_cow_layers_release(&layers);
	if (list >= 0 && (r == 0 || (r == -ESTALE && how->form == LXE_COW_JSON))) {
		int copied = sys_copy_all(list, how->out);

		if (r == 0 && copied < 0)
			r = lxe_fail(err, copied, "write the list of changes");
	}
	return r;
}
