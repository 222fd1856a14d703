#include "client/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "keeper/state.h"
#include "proto/outcome_wire.h"
#include "store/names.h"
#include "store/sandbox.h"

#define CANDIDATES 4 /* named in a message */

static bool exists(const char *base, const char *id)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(base, id);

	return dir >= 0;
}

static bool place(const struct lxe_dirs *dirs, const char *id, struct lxe_place *ret)
{
	const char *const bases[] = { dirs->run, dirs->state };

	for (size_t i = 0; i < 2; i++) {
		if (!exists(bases[i], id))
			continue;
		memcpy(ret->id, id, sizeof(ret->id));
		ret->base = bases[i];
		ret->run = dirs->run;
		return true;
	}
	return false;
}

static int add_matches(const char *base, const char *digits, struct lxe_strv *ret)
{
	struct lxe_strv ids = { 0 };
	int r = lxe_sandbox_list(base, &ids, NULL);

	for (size_t i = 0; r == 0 && i < ids.n; i++)
		if (lxe_starts_with(ids.v[i], digits))
			r = lxe_strv_add(ret, ids.v[i]);
	lxe_strv_release(&ids);
	return r;
}

static int refuse_ambiguous(const char *word, const struct lxe_strv *ids, struct lxe_err *err)
{
	char list[CANDIDATES * (LXE_ID_LEN + 2) + 8] = "";
	size_t len = 0;

	for (size_t i = 0; i < ids->n && i < CANDIDATES; i++) {
		lxe_format(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", ids->v[i]);
		len = strlen(list);
	}
	lxe_fail_msg(err, -ENOTUNIQ, "'%s' fits %zu sandboxes: %s%s", word, ids->n, list,
		ids->n > CANDIDATES ? ", …" : "");
	lxe_hint(err, "give more digits of the id, or the name");
	return -ENOTUNIQ;
}

static int find_by_digits(
	const struct lxe_dirs *dirs, const char *word, struct lxe_place *ret, struct lxe_err *err)
{
	struct lxe_strv ids = { 0 };
	int r;

	if (!*word || strspn(word, "0123456789abcdef") != strlen(word))
		return -ENOENT;
	r = add_matches(dirs->run, word, &ids);
	if (r == 0)
		r = add_matches(dirs->state, word, &ids);
	if (r == 0 && ids.n > 1)
		r = refuse_ambiguous(word, &ids, err);
	else if (r == 0 && (ids.n == 0 || !place(dirs, ids.v[0], ret)))
		r = -ENOENT;
	lxe_strv_release(&ids);
	return r;
}

int lxe_registry_find(
	const struct lxe_dirs *dirs, const char *word, struct lxe_place *ret, struct lxe_err *err)
{
	char id[LXE_ID_LEN + 1], shown[300];
	int r;

	r = lxe_name_validate(word, err);
	if (r < 0)
		return r;
	if (lxe_name_look_up(dirs, word, id) == 0 && place(dirs, id, ret))
		return 0;
	r = find_by_digits(dirs, word, ret, err);
	if (r != -ENOENT)
		return r;
	lxe_excerpt(shown, sizeof(shown), word, strlen(word));
	lxe_fail_msg(err, -ENOENT, "there is no sandbox '%s'", shown);
	lxe_hint(err, "lxc-exec ps lists them");
	return -ENOENT;
}

static int read_record(int dir, struct lxe_info *info)
{
	int r = lxe_record_read(&info->record, dir);

	if (r == 0)
		r = lxe_spec_decode(&info->spec, info->record.spec, info->record.spec_len);
	return r;
}

static void read_outcome(int dir, struct lxe_info *info)
{
	LXE_AUTOFREE unsigned char *bytes = NULL;
	size_t len = 0;

	info->has_outcome = lxe_sandbox_get(dir, LXE_SANDBOX_OUTCOME, &bytes, &len) == 0 &&
			    lxe_outcome_decode(&info->outcome, bytes, len) == 0;
}

/* While it runs; then the outcome has it, with the last numbers. */
static void read_blocked(int dir, struct lxe_info *info)
{
	unsigned char *bytes = NULL;
	size_t len = 0;

	if (info->spec.net.mode != LXE_NET_NONE && info->owned &&
		lxe_sandbox_get(dir, LXE_SANDBOX_BLOCKED, &bytes, &len) == 0)
		info->blocked = (char *)bytes;
}

static const char *state_of(const struct lxe_info *info, int live)
{
	bool ended = info->live.state == LXE_STOPPED || info->live.state == LXE_FAILED;

	if (live == -ENOENT)
		return info->owned ? "creating" : "crashed";
	if (live < 0 || info->live.state > LXE_GONE)
		return "unreadable";
	if (!info->owned && !ended)
		return "crashed";
	return lxe_state_name((enum lxe_state)info->live.state);
}

int lxe_registry_read(const struct lxe_place *where, struct lxe_info *ret)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(where->base, where->id);
	int record, live;
	bool keep;

	*ret = (struct lxe_info){ .place = *where };
	if (dir < 0)
		return dir;
	/* First of all: what is read while nobody owns it is not changed any more. */
	ret->owned = lxe_sandbox_is_owned(where->base, where->id) == 1;
	record = read_record(dir, ret);
	live = lxe_live_read(dir, &ret->live);
	ret->state = state_of(ret, live);
	if (record < 0)
		ret->state =
			record == -ENOENT ? (ret->owned ? "creating" : "crashed") : "unreadable";
	if (strcmp(ret->state, "crashed") == 0 && ret->record.keep &&
		lxe_record_is_of_earlier_boot(&ret->record)) {
		ret->state = lxe_state_name(LXE_STOPPED);
		lxe_format(ret->why, sizeof(ret->why), "%s", LXE_RESTARTED);
	}
	if (!ret->owned && lxe_deferred_get(dir, &keep, ret->why) == 0)
		ret->state = "deferred";
	read_outcome(dir, ret);
	read_blocked(dir, ret);
	memcpy(ret->record.id, where->id, sizeof(ret->record.id));
	return 0;
}

void lxe_info_release(struct lxe_info *info)
{
	lxe_record_release(&info->record);
	lxe_spec_release(&info->spec);
	free(info->blocked);
}

void lxe_registry_name(const struct lxe_dirs *dirs, const char *id, char name[129])
{
	struct lxe_record record = { 0 };
	struct lxe_place where;
	int dir = place(dirs, id, &where) ? lxe_sandbox_open(where.base, id) : -ENOENT;

	name[0] = '\0';
	if (dir < 0)
		return;
	if (lxe_record_read(&record, dir) == 0)
		memcpy(name, record.name, sizeof(record.name));
	lxe_record_release(&record);
	lxe_close(dir);
}

const char *lxe_info_name(const struct lxe_info *info)
{
	return info->record.name[0] ? info->record.name : info->place.id;
}

static int add_all(const struct lxe_dirs *dirs, const char *base, struct lxe_info **list, size_t *n,
	struct lxe_err *err)
{
	struct lxe_strv ids = { 0 };
	struct lxe_info *grown;
	int r = lxe_sandbox_list(base, &ids, err);

	if (r < 0 || !ids.n)
		goto out;
	grown = reallocarray(*list, *n + ids.n, sizeof(**list));
	if (!grown) {
		r = lxe_fail(err, -ENOMEM, "list the sandboxes");
		goto out;
	}
	*list = grown;
	for (size_t i = 0; i < ids.n; i++) {
		struct lxe_place where = { .base = base, .run = dirs->run };

		memcpy(where.id, ids.v[i], sizeof(where.id));
		/* What has gone meanwhile is not listed. */
		if (lxe_registry_read(&where, &grown[*n]) == 0)
			(*n)++;
	}
out:
	lxe_strv_release(&ids);
	return r;
}

static int by_age(const void *a, const void *b)
{
	const struct lxe_info *x = a, *y = b;

	if (x->record.created_at_ms != y->record.created_at_ms)
		return x->record.created_at_ms < y->record.created_at_ms ? -1 : 1;
	return strcmp(x->place.id, y->place.id);
}

int lxe_registry_list(
	const struct lxe_dirs *dirs, struct lxe_info **ret, size_t *n, struct lxe_err *err)
{
	int r;

	*ret = NULL;
	*n = 0;
	r = add_all(dirs, dirs->run, ret, n, err);
	if (r == 0)
		r = add_all(dirs, dirs->state, ret, n, err);
	if (r < 0) {
		lxe_registry_free(*ret, *n);
		return r;
	}
	if (*n)
		qsort(*ret, *n, sizeof(**ret), by_age);
	return 0;
}

void lxe_registry_free(struct lxe_info *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lxe_info_release(&list[i]);
	free(list);
}
