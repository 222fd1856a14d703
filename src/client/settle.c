/* The end of a run that says what becomes of its changes. See session.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "client/cow.h"
#include "client/session.h"
#include "store/rootless.h"
#include "sys/fd.h"

#define XATTR_MAJOR 6
#define XATTR_MINOR 6

static bool parse_part(const char **text, uint64_t *ret)
{
	size_t len = strspn(*text, "0123456789");
	char part[16];

	if (len == 0 || lxe_format(part, sizeof(part), "%.*s", (int)len, *text) < 0 ||
		lxe_parse_u64(part, 0, UINT32_MAX, ret) < 0)
		return false;
	*text += len + ((*text)[len] == '.');
	return true;
}

/*
 * An overlay of an ordinary user's keeps in user.* attributes that a directory is a new one; a tmpfs has
 * none before Linux 6.6, and who makes a directory anew that the image has gets EIO instead. A limit of its size is
 * in force on a tmpfs only; with one it is left at that, but for binds.
 */
bool lxe_client_needs_disk(const struct lxe_spec *spec)
{
	struct utsname name;
	const char *text = name.release;
	uint64_t major, minor;

	if (!lxe_is_rootless() || spec->keep)
		return false;
	if (spec->limits.disk && !lxe_mounts_count_cow(&spec->mounts))
		return false;
	if (uname(&name) < 0 || !parse_part(&text, &major) || !parse_part(&text, &minor))
		return true;
	return major < XATTR_MAJOR || (major == XATTR_MAJOR && minor < XATTR_MINOR);
}

static struct lxe_place place_of(const struct lxe_session *s)
{
	struct lxe_place place = {
		.base = lxe_spec_on_disk(s->spec) ? s->dirs->state : s->dirs->run,
		.run = s->dirs->run,
	};

	memcpy(place.id, s->sandbox.id, sizeof(place.id));
	return place;
}

bool lxe_session_is_marked(const struct lxe_session *s)
{
	struct lxe_record record = { 0 };
	bool marked = lxe_spec_settles(s->spec) && s->sandbox.dir >= 0 &&
		      lxe_record_read(&record, s->sandbox.dir) == 0 && record.keep;

	lxe_record_release(&record);
	return marked;
}

static void tell_failure(
	const struct lxe_session *s, const struct lxe_err *err, struct lxe_msg *answer, bool kept)
{
	struct lxe_outcome *o = &answer->outcome;
	const char *id = s->sandbox.id;

	o->error = LXE_EXIT_ERROR;
	lxe_outcome_take_err(o, err);
	if (!kept)
		return;
	o->settled = LXE_SETTLED_KEPT;
	answer->flags = LXE_SETTLED_KEEP;
	snprintf(o->hint, sizeof(o->hint),
		"nothing is lost: sandbox %s is kept; lxc-exec diff %s, commit %s PATH..., destroy %s",
		id, id, id, id);
}

static void settle(struct lxe_session *s, enum lxe_settle what, struct lxe_msg *answer)
{
	struct lxe_cow_how how = { .act = LXE_COW_COUNT, .out = -EBADF, .conflicts = s->changes };
	struct lxe_outcome *o = &answer->outcome;
	struct lxe_cow_told told = { 0 };
	struct lxe_place place = place_of(s);
	struct lxe_err err = { 0 };
	int r;

	o->settled = LXE_SETTLED_DISCARDED;
	if (s->spec->settling.dry_run) {
		o->settled = LXE_SETTLED_SHOWN;
		how.act = LXE_COW_DIFF;
		how.out = s->changes;
	} else if (what == LXE_SETTLE_COMMIT) {
		o->settled = LXE_SETTLED_COMMITTED;
		how.act = LXE_COW_COMMIT;
		how.marks = true;
	}
	r = lxe_client_cow(&place, s->dirs, &how, &told, &err);
	o->added = told.added;
	o->modified = told.modified;
	o->deleted = told.deleted;
	o->conflicts = told.conflicts;
	if (r < 0 && how.act != LXE_COW_COUNT)
		tell_failure(s, &err, answer, how.act == LXE_COW_COMMIT);
}

void lxe_session_settle(struct lxe_session *s, const struct lxe_outcome *ended)
{
	const struct lxe_settling *how = &s->spec->settling;
	bool success = lxe_outcome_exit_status(ended) == 0;
	struct lxe_msg answer;

	lxe_msg_init(&answer, LXE_MSG_SETTLED);
	if (s->changes < 0)
		s->changes = sys_memfd("lxe-changes", 0);
	settle(s, success ? how->on_success : how->on_failure, &answer);
	if (s->control >= 0)
		lxe_msg_send(s->control, &answer);
}

/* Once the terminal is the caller's again: what it shows then stays. */
void lxe_session_show_changes(const struct lxe_session *s)
{
	if (s->changes >= 0)
		sys_copy_all(s->changes, STDERR_FILENO);
}
