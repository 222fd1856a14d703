#include "client/again.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "client/client.h"
#include "client/manage.h"
#include "keeper/state.h"
#include "keeper/teardown.h"
#include "store/layers.h"
#include "store/names.h"
#include "sys/boot.h"

#define CLAIM_MS 2000

static void ignore_report(void *arg, const char *id, const char *residue)
{
	(void)arg;
	(void)id;
	(void)residue;
}

static bool has_ended(const char *state)
{
	return strcmp(state, "stopped") == 0 || strcmp(state, "failed") == 0;
}

bool lxe_client_has_ended(const struct lxe_place *place)
{
	struct lxe_info info = { 0 };
	bool ended = lxe_registry_read(place, &info) == 0 && !info.owned && has_ended(info.state) &&
		     info.record.keep;

	lxe_info_release(&info);
	return ended;
}

/* As nobody owns it, or as its owner has it: the state, and what is to be done about it. */
int lxe_client_look(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *verb,
	struct lxe_err *err)
{
	struct lxe_info info = { 0 };
	int r = lxe_registry_read(place, &info);

	if (r < 0)
		return lxe_fail(err, r, "%s: open sandbox '%s'", verb, place->id);
	if (info.owned && has_ended(info.state)) {
		r = lxe_fail_msg(err, -EBUSY, "%s: somebody else is at sandbox '%s'", verb,
			lxe_info_name(&info));
		lxe_hint(err, "try again");
	} else if (info.owned || !has_ended(info.state)) {
		r = lxe_client_wrong_state(&info, verb, err);
		if (info.owned)
			lxe_hint(err, "lxc-exec stop %s first", lxe_info_name(&info));
	} else if (!info.record.keep) {
		r = lxe_fail_msg(err, -EBUSY, "%s: sandbox '%s' is not kept", verb, place->id);
	} else if (strcmp(info.why, LXE_RESTARTED) == 0) {
		lxe_gc(dirs, CLAIM_MS, ignore_report, NULL, NULL);
	}
	lxe_info_release(&info);
	return r;
}

int lxe_client_hold(const struct lxe_place *place, const struct lxe_dirs *dirs, const char *verb,
	struct lxe_sandbox *ret, struct lxe_err *err)
{
	struct lxe_sandbox s = LXE_SANDBOX_NONE;
	struct lxe_live live = { 0 };
	int r = lxe_client_look(place, dirs, verb, err);

	if (r < 0)
		return r;
	r = lxe_sandbox_claim(&s, place->base, place->id, CLAIM_MS, err);
	if (r == -EWOULDBLOCK)
		return lxe_client_look(place, dirs, verb, err) < 0 ? -EBUSY : r;
	if (r < 0)
		return r;
	r = lxe_live_read(s.dir, &live);
	if (r == 0)
		r = lxe_base_settle(s.dir);
	if (r == 0 && live.state != LXE_STOPPED && live.state != LXE_FAILED)
		r = -EBUSY;
	if (r < 0) {
		lxe_sandbox_release(&s);
		return lxe_fail(err, r, "%s: look at sandbox '%s'", verb, place->id);
	}
	*ret = s;
	return 0;
}

static int renew_journal(
	struct lxe_sandbox *s, const struct lxe_dirs *dirs, const char *name, struct lxe_err *err)
{
	char path[PATH_MAX];
	struct lxe_entry entry = { LXE_ENTRY_NAME, path };
	int r = 0;

	if (name[0])
		r = lxe_name_path(dirs, name, path, sizeof(path));
	if (r < 0)
		return lxe_fail(err, r, "write the journal of sandbox '%s'", s->id);
	return lxe_journal_renew(s, &entry, name[0] ? 1 : 0, err);
}

/* Another life: whoever had the nonce of the one before has no business with it. */
static int renew_record(struct lxe_sandbox *s, struct lxe_record *record)
{
	LXE_AUTOFREE unsigned char *bytes = NULL;
	size_t len = 0;
	int r = sys_boot_id(record->boot);

	if (r == 0 && getrandom(record->nonce, sizeof(record->nonce), 0) !=
			      (ssize_t)sizeof(record->nonce))
		r = -EIO;
	if (r == 0)
		r = lxe_record_encode(record, &bytes, &len);
	return r < 0 ? r : lxe_sandbox_put(s->dir, LXE_SANDBOX_RECORD, bytes, len);
}

int lxe_client_renew(const struct lxe_place *place, const struct lxe_dirs *dirs,
	struct lxe_sandbox *ret, struct lxe_err *err)
{
	struct lxe_sandbox s = LXE_SANDBOX_NONE;
	struct lxe_record record = { 0 };
	int r = lxe_client_hold(place, dirs, "start", &s, err);

	if (r < 0)
		return r;
	r = lxe_record_read(&record, s.dir);
	if (r == 0)
		r = renew_record(&s, &record);
	if (r < 0)
		lxe_fail(err, r, "write the record of sandbox '%s'", s.id);
	else
		r = renew_journal(&s, dirs, record.name, err);
	lxe_record_release(&record);
	if (r < 0)
		lxe_sandbox_release(&s);
	else
		*ret = s;
	return r;
}
