/* The public library: what a sandbox has changed, and its layers. See include/lxc-exec.h. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "client/api_aside.h"
#include "client/cow.h"
#include "client/layers.h"
#include "sys/fd.h"

#define LIST_MAX (1024u * 1024 * 1024)

struct work {
	const struct lxe_place *place;
	const struct lxe_dirs *dirs;
	struct lxe_cow_how how;
	const char *snapshot, *name;
};

struct listener {
	lxe_change_fn *each;
	void *arg;
	bool conflicts; /* only what has one */
};

static int do_cow(const void *arg, int out, struct lxe_err *err)
{
	const struct work *w = arg;
	struct lxe_cow_how how = w->how;
	struct lxe_cow_told told;

	how.out = w->how.act == LXE_COW_DISCARD ? -EBADF : out;
	return lxe_client_cow(w->place, w->dirs, &how, &told, err);
}

static char letter_of(const char *change)
{
	static const char *const names[] = { "added", "deleted", "modified", "type", "metadata" };

	for (size_t i = 0; change && i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(change, names[i]) == 0)
			return "ADMTm"[i];
	return '?';
}

/* A name that is no text is in hexadecimal digits beside what is shown of it. */
static char *path_of(const json_t *change)
{
	const char *hex = json_string_value(json_object_get(change, "path_hex"));
	const char *text = json_string_value(json_object_get(change, "path"));
	size_t len = hex ? strlen(hex) / 2 : 0;
	char *path;

	if (!hex)
		return strdup(text ? text : "");
	path = calloc(1, len + 1);
	for (size_t i = 0; path && i < 2 * len; i++) {
		int digit = hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10;

		path[i / 2] = (char)((unsigned char)path[i / 2] << 4 | digit);
	}
	return path;
}

static int tell(const struct listener *l, const json_t *change)
{
	const char *kind = json_string_value(json_object_get(change, "change"));
	char *path, *text;
	int r = -ENOMEM;

	if (l->conflicts && !json_object_get(change, "conflict"))
		return 0;
	path = path_of(change);
	text = json_dumps(change, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (path && text)
		r = l->each(l->arg, letter_of(kind), path, text);
	free(path);
	free(text);
	return r;
}

static int tell_all(const struct listener *l, const json_t *list)
{
	size_t i, j;
	json_t *bind, *change;
	int r = 0;

	json_array_foreach(list, i, bind)
	{
		json_array_foreach(json_object_get(bind, "changes"), j, change)
		{
			r = tell(l, change);
			if (r != 0)
				return r;
		}
	}
	return 0;
}

/* What the other process has written down. */
static int read_list(const struct listener *l, int out, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	json_t *list;
	int r = sys_read_whole(out, LIST_MAX, &text, &len);

	if (r < 0)
		return lxe_fail(err, r, "read the list of changes");
	if (len == 0)
		return 0;
	list = json_loadb(text, len, 0, NULL);
	if (!list)
		return lxe_fail(err, -EBADMSG, "read the list of changes");
	free(take_ptr(text));
	r = tell_all(l, list);
	json_decref(list);
	return r < 0 ? lxe_fail(err, r, "tell of the changes") : r;
}

static size_t count(const char *const *paths)
{
	size_t n = 0;

	while (paths && paths[n])
		n++;
	return n;
}

static int do_changes(struct lxe_sandbox_handle *s, enum lxe_cow_act act, const char *const *paths,
	const struct listener *l, uint64_t end, struct lxe_err *err)
{
	LXE_AUTOCLOSE int out = -EBADF;
	struct listener of_conflicts = { l->each, l->arg, true };
	struct work w = { .place = &s->place, .dirs = &s->dirs };
	int r = lxe_handle_check(&s->main, err), told = 0;

	w.how = (struct lxe_cow_how){ .act = act,
		.form = LXE_COW_JSON,
		.paths = paths,
		.n_paths = count(paths),
		.conflicts = -EBADF };
	if (r < 0)
		return r;
	r = lxe_api_aside(do_cow, &w, end, &out, err);
	/* What was carried over, or why nothing was. */
	if (l->each && (r == 0 || r == -ESTALE))
		told = read_list(r == 0 ? l : &of_conflicts, out, r == 0 ? err : NULL);
	return r == 0 ? told : r;
}

int lxe_diff(lxe_sandbox *sandbox, const char *const *paths, lxe_change_fn *each, void *arg,
	int timeout_ms, lxe_error *error)
{
	const struct listener l = { .each = each, .arg = arg };
	struct lxe_err err = { 0 };

	return lxe_api_fail(error,
		do_changes(sandbox, LXE_COW_DIFF, paths, &l, lxe_api_end(timeout_ms), &err), &err);
}

int lxe_commit(lxe_sandbox *sandbox, const char *const *paths, lxe_change_fn *each, void *arg,
	int timeout_ms, lxe_error *error)
{
	const struct listener l = { .each = each, .arg = arg };
	struct lxe_err err = { 0 };

	return lxe_api_fail(error,
		do_changes(sandbox, LXE_COW_COMMIT, paths, &l, lxe_api_end(timeout_ms), &err),
		&err);
}

int lxe_discard(lxe_sandbox *sandbox, int timeout_ms, lxe_error *error)
{
	const struct listener nobody = { 0 };
	struct lxe_err err = { 0 };

	return lxe_api_fail(error,
		do_changes(sandbox, LXE_COW_DISCARD, NULL, &nobody, lxe_api_end(timeout_ms), &err),
		&err);
}

static int do_snapshot(const void *arg, int out, struct lxe_err *err)
{
	const struct work *w = arg;

	(void)out;
	return lxe_client_snapshot(w->place, w->dirs, w->snapshot, err);
}

static int do_snapshot_remove(const void *arg, int out, struct lxe_err *err)
{
	const struct work *w = arg;

	(void)out;
	return lxe_client_snapshot_rm(w->place, w->dirs, w->snapshot, err);
}

static int do_restore(const void *arg, int out, struct lxe_err *err)
{
	const struct work *w = arg;

	(void)out;
	return lxe_client_restore(w->place, w->dirs, w->snapshot, err);
}

static int do_fork(const void *arg, int out, struct lxe_err *err)
{
	const struct work *w = arg;

	(void)out;
	return lxe_client_fork(w->place, w->dirs, w->snapshot, w->name, err);
}

static int do_layers(const struct lxe_sandbox_handle *s, lxe_aside_work *what, const char *snapshot,
	const char *name, int timeout_ms, lxe_error *error)
{
	const struct work w = {
		.place = &s->place, .dirs = &s->dirs, .snapshot = snapshot, .name = name
	};
	LXE_AUTOCLOSE int out = -EBADF;
	struct lxe_err err = { 0 };
	int r = lxe_handle_check(&s->main, &err);

	if (r == 0)
		r = lxe_api_aside(what, &w, lxe_api_end(timeout_ms), &out, &err);
	return lxe_api_fail(error, r, &err);
}

int lxe_snapshot(lxe_sandbox *sandbox, const char *snapshot, int timeout_ms, lxe_error *error)
{
	return do_layers(sandbox, do_snapshot, snapshot, NULL, timeout_ms, error);
}

int lxe_snapshot_remove(
	lxe_sandbox *sandbox, const char *snapshot, int timeout_ms, lxe_error *error)
{
	return do_layers(sandbox, do_snapshot_remove, snapshot, NULL, timeout_ms, error);
}

int lxe_restore(lxe_sandbox *sandbox, const char *snapshot, int timeout_ms, lxe_error *error)
{
	return do_layers(sandbox, do_restore, snapshot, NULL, timeout_ms, error);
}

int lxe_fork(lxe_sandbox *sandbox, const char *snapshot, const char *name, int timeout_ms,
	lxe_error *error)
{
	return do_layers(sandbox, do_fork, snapshot, name, timeout_ms, error);
}
